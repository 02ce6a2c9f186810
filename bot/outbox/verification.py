"""Look whether a write took effect, when its outcome is unknown."""

from typing import Any

from bot.github.channel import Channel
from bot.github.outcomes import Meaning
from bot.github.requests import Request, link
from bot.outbox import outcomes
from bot.outbox.kinds import Kind, Sending
from bot.outbox.outcomes import Decision, Look, Sent
from store.engine.transaction import Tx
from store.mirror import mirror_rows

# Pages of a list that are looked through.
MOST_PAGES = 10


async def look(channel: Channel, kind: Kind, sending: Sending, decision: Look) -> Decision:
    """First in what webhooks brought, because that costs no request; then on GitHub."""
    echo = sending.known.get("echo") or await channel.store.read(lambda tx: _echo(tx, sending))
    if echo is not None:
        return Sent(echo)
    request = kind.look(sending)
    assert request is not None
    entries = await _entries(channel, kind, sending, request)
    if isinstance(entries, str):
        return outcomes.fail(sending.write, "unknown", entries)
    return outcomes.decide_look(kind, sending, entries, decision.refusal)


async def _entries(
    channel: Channel, kind: Kind, sending: Sending, request: Request
) -> list[Any] | str:
    """All that the look lists, page by page; or why GitHub did not list it."""
    entries: list[Any] = []
    here = sending.write["installation_id"]
    ask = channel.ask
    for _ in range(MOST_PAGES):
        outcome = await ask(here, request, lambda data: _page(kind, data) is not None)
        if outcome.status in kind.absent:
            return entries
        if outcome.meaning is not Meaning.DONE:
            return f"its look got no list: {outcome.why}"
        entries += _page(kind, outcome.data) or []
        if (further := link(outcome.answer)) is None:
            return entries
        request, ask = Request("GET", further), channel.ask_next
    return "its look got no list: it has too many pages"


def _page(kind: Kind, data: Any) -> list[Any] | None:
    page = kind.entries(data)
    return page if page is not None and all(isinstance(each, dict) for each in page) else None


async def _echo(tx: Tx, sending: Sending) -> dict[str, Any] | None:
    """The comment as a webhook brought it back: the cheapest proof that it was made."""
    write = sending.write
    if write["kind"] not in ("comment", "card") or sending.known.get("comment_id"):
        return None
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    # A comment that somebody deleted since was made all the same.
    for row in await mirror_rows.newest_comments(tx, *here, 100, deleted=True):
        if sending.is_mine({"body": row["body"], "user": {"login": row["author"]}}):
            return {"comment_id": row["id"], "url": None}
    return None
