"""Who made a pull request. On GitHub all agents are one account, the App."""

from bot.identity.actors import TRUSTED
from bot.identity.hosted_agents import of_login, with_logins
from bot.repository import repository_settings
from store.agents.call_state import BOT
from store.engine import key_values
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.mirror import PullRequestRow


async def maker_of(tx: Tx, pull: PullRequestRow) -> str:
    """The agent by whose write it was opened, or that GitHub hosts, or else its author's @login."""
    if is_by_app(pull) and await _is_ours(tx, pull):
        target = writes.on_branch(pull["repository_id"], pull["head_ref"])
        write = await writes.newest(tx, pull["installation_id"], target, "pull")
        if write is not None:
            return write["author"]
    settings = await repository_settings.of(tx, pull["installation_id"], pull["repository_id"])
    hosted = of_login(pull["author"], with_logins(settings.hosted_agents))
    return hosted.id if hosted else f"@{pull['author'] or 'ghost'}"


async def _is_ours(tx: Tx, pull: PullRequestRow) -> bool:
    """Whether our own App opened it. Until the id of its bot is known, each App may be ours."""
    known = await key_values.get(tx, BOT)
    return known is None or int(known) == pull["author_id"]


def is_by_app(pull: PullRequestRow) -> bool:
    """Whether an App opened it. No person's login ends like this."""
    return pull["author"].endswith("[bot]")


def may_write(pull: PullRequestRow) -> bool:
    """Whether it is by an App, or by somebody who belongs to the repository."""
    return is_by_app(pull) or pull["author_association"] in TRUSTED
