"""Forwards deliveries of GitHub to apps of others, such as Probot apps.

An app gets each delivery as GitHub would send it, signed with a secret of its own: at least once,
and in order for each repository. It begins with what comes after the plug-in was turned on.
"""

from bot.plugins.forwarding.choosing import place_of
from bot.plugins.forwarding.steps import Forwarder

__all__ = ["Forwarder", "place_of"]
