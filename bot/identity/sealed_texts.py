"""Texts that a browser or a client keeps for Hubbub, encrypted: so any process can go on with them.

The start of such a text names the secret, so that it outlives a change of the secret.
"""

import base64
import binascii
import json
from typing import Any

from bot.identity.keyring import Broken, Keys


def seal(keys: Keys, purpose: str, content: Any) -> str:
    """The content, which must be JSON, as a text for a cookie or a form."""
    sealed = keys.seal(purpose, keys.id, json.dumps(content).encode())
    return f"{keys.id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def unseal(keys: Keys, purpose: str, text: str) -> Any:
    """The content, or None if this server has not sealed the text for this purpose."""
    key_id, _, encoded = text.partition(".")
    try:
        sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return json.loads(keys.under(key_id).open(purpose, key_id, sealed))
    except (Broken, binascii.Error, ValueError):
        return None
