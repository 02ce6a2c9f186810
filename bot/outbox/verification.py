"""Look whether a write took effect, when its outcome is unknown."""

from typing import Any

from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.requests import Request, link
from bot.outbox import outcomes
from bot.outbox.kinds import Kind, Sending
from bot.outbox.outcomes import Decision, Look, Sent
from store.engine.transaction import Tx
from store.mirror import stored_issues

# A look stops after this many pages of a list.
MOST_PAGES = 10


async def look(channel: Channel, kind: Kind, sending: Sending, decision: Look) -> Decision:
    """Look in the mirror first, because that costs no request, and then on GitHub."""
    echo = sending.known.get("echo") or await channel.store.read(lambda tx: _echo(tx, sending))
    if echo is not None:
        return Sent(echo)
    request = kind.look(sending)
    assert request is not None
    entries = await _entries(channel, kind, sending, request)
    if isinstance(entries, Outcome):
        return outcomes.decide_unlisted(sending.write, entries)
    if entries is None:
        why = f"the list that Hubbub looked through has more than {MOST_PAGES} pages"
        return outcomes.fail(sending.write, "unknown", why)
    return outcomes.decide_look(kind, sending, entries, decision.refusal)


async def _entries(
    channel: Channel, kind: Kind, sending: Sending, request: Request
) -> list[Any] | Outcome | None:
    """All entries of the look's list; the outcome if GitHub did not list them; None if too many."""
    entries: list[Any] = []
    here = sending.write["installation_id"]
    ask = channel.ask
    for _ in range(MOST_PAGES):
        outcome = await ask(here, request, lambda data: _page(kind, data) is not None)
        if kind.absent and outcome.meaning is Meaning.ABSENT:
            return entries
        if outcome.meaning is not Meaning.DONE:
            return outcome
        entries += _page(kind, outcome.data) or []
        if (further := link(outcome.answer)) is None:
            return entries
        request, ask = Request("GET", further), channel.ask_next
    return None


def _page(kind: Kind, data: Any) -> list[Any] | None:
    page = kind.entries(data)
    return page if page is not None and all(isinstance(each, dict) for each in page) else None


async def _echo(tx: Tx, sending: Sending) -> dict[str, Any] | None:
    """The comment, if a webhook has already brought it into the mirror."""
    write = sending.write
    if write["kind"] not in ("comment", "reply", "card") or sending.known.get("comment_id"):
        return None
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    # A deleted comment counts too, because it shows that the write took effect.
    for row in await stored_issues.newest_comments(tx, *here, 100, deleted=True):
        user = {"login": row["author"], "id": row["author_id"]}
        if sending.is_mine({"body": row["body"], "user": user}):
            return {"comment_id": row["id"], "url": None}
    return None
