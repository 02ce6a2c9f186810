"""Which texts on GitHub Hubbub wrote itself: those by the App's own bot user.

Another App can copy a marker, so a marker alone proves nothing.
"""

from store.agents.call_state import BOT, CallState
from store.engine import key_values
from store.engine.transaction import Tx

# GitHub shows texts of deleted accounts as those of this user, and answers without a user.
GHOST = "ghost"


async def bot_id(tx: Tx) -> int | None:
    """The id of the App's bot user. None until GitHub answered a first write."""
    return _id(await key_values.get(tx, BOT))


def bot_in(state: CallState) -> int | None:
    """The id of the App's bot user, as a call has read it."""
    return _id(state["bot"])


def _id(found: str | None) -> int | None:
    return int(found) if found else None


async def record_bot(tx: Tx, user_id: int) -> None:
    await key_values.put_if_absent(tx, BOT, str(user_id))


def shown_author(login: str) -> str:
    """The author as GitHub's pages show them."""
    return login or GHOST


def is_bot(login: str) -> bool:
    """Whether the login is that of an App: GitHub adds this to it, and no person's login has it."""
    return login.endswith("[bot]")


def is_ours(author: str, author_id: int | None, bot: int | None) -> bool:
    """Whether our bot is the author.

    Until its id is known, any bot counts. GitHub's answer to the first write has the id, so until
    then there are no markers that another App could have copied.
    """
    return is_bot(author) and bot in (None, author_id)
