"""The whole outbox, as people look at it: everybody's writes, and when each goes out."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from bot.identity import permissions
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, decode_number, encode
from bot.operations.github.linked_writes import LinkedWrite, with_links
from bot.operations.github.writes import State, write_now
from bot.operations.github.writing import WriteState
from bot.outbox import usage
from store.outbox import write_history, writes
from store.outbox.write_history import WritePlace
from store.tables.outbox import WriteRow

ON_A_PAGE = 50
# Writes that one call looks at. Those of others, or out of reach, are left out.
LOOKED_AT = 200
# Above every number of a write.
LAST = 2**63 - 1
MOST_COUNTED = 200
# What nobody needs to look at is not counted, because it is nearly all.
COUNTED: tuple[WriteState, ...] = ("queued", "sending", "unknown", "refused", "dead")
# Writes of a page for which it is computed when they go out: that takes several queries each.
MOST_FORECASTS = 20


class OutboxEntry(LinkedWrite):
    ahead: int | None = Field(None, description="how many writes are sent before this one")
    expected_at: str | None = Field(None, description="when it should be sent")
    text: str = Field("", description="what it changes, in one line")


class AuthorCount(BaseModel):
    author: str
    n: int = Field(description="writes that have not ended")
    paused: int = Field(0, description="of these, writes that are held back")


class StateCount(BaseModel):
    state: WriteState
    n: int
    more: bool = Field(False, description="there are more than `n`")


class OutboxPage(Answer):
    of_mirror = False

    writes: list[OutboxEntry]
    counts: list[StateCount] = Field(
        [], description="only for those who see all of the installation"
    )
    authors: list[AuthorCount] = Field(
        [], description="who has how many writes; only for those who see all of the installation"
    )
    next_cursor: str | None = None


@operation(reads_only=True)
async def get_outbox(
    ctx: Context,
    author: Annotated[
        str | None, Field(max_length=120, description="an agent's id, @login or Hubbub itself")
    ] = None,
    state: State | None = None,
    cursor: Cursor = None,
) -> OutboxPage:
    """List the writes of everybody, newest first, and say when each goes out."""
    before = decode_number(cursor) or LAST
    looked_at = await write_history.places(
        ctx.tx, ctx.installation_id, (state,) if state else writes.LIVE, before, LOOKED_AT
    )
    shown = [each for each in looked_at if _is_shown(ctx, each, author)][:ON_A_PAGE]
    rows = await write_history.by_ids(ctx.tx, ctx.installation_id, [each["id"] for each in shown])
    sees_all = permissions.leads_everywhere(ctx.actor)
    return OutboxPage(
        writes=await _entries(ctx, rows),
        counts=await _counts(ctx) if sees_all else [],
        authors=await _authors(ctx) if sees_all else [],
        next_cursor=_following(shown, looked_at),
    )


def _is_shown(ctx: Context, write: WritePlace, author: str | None) -> bool:
    reach = ctx.actor.repositories
    within = reach is None or write["repository_id"] in reach
    return within and author in (None, write["author"])


def _following(shown: Sequence[WritePlace], looked_at: Sequence[WritePlace]) -> str | None:
    """Where the next page begins: after what is shown, or after what was looked at."""
    if not looked_at:
        return None
    last = shown[-1] if len(shown) == ON_A_PAGE else looked_at[-1]
    is_end = last is looked_at[-1] and len(looked_at) < LOOKED_AT
    return None if is_end else encode(str(last["seq"]))


async def _counts(ctx: Context) -> list[StateCount]:
    here = (ctx.tx, ctx.installation_id)
    found = {each: await write_history.count_up_to(*here, each, MOST_COUNTED) for each in COUNTED}
    return [StateCount(state=state, n=n, more=n == MOST_COUNTED) for state, n in found.items()]


async def _entries(ctx: Context, rows: list[WriteRow]) -> list[OutboxEntry]:
    listed = await with_links(ctx, rows)
    # The oldest of the page go out first, so people want to know their times.
    soon = {row["id"] for row in [row for row in rows if _is_live(row)][-MOST_FORECASTS:]}
    return [
        await _with_time(ctx, row, each) if row["id"] in soon else _entry(each, row)
        for row, each in zip(rows, listed, strict=True)
    ]


def _is_live(row: WriteRow) -> bool:
    return row["state"] in writes.LIVE


def _entry(listed: LinkedWrite, row: WriteRow) -> OutboxEntry:
    return OutboxEntry(**listed.model_dump(), text=_first_line(row["arguments"]))


async def _with_time(ctx: Context, row: WriteRow, listed: LinkedWrite) -> OutboxEntry:
    now = await write_now(ctx, row)
    entry = _entry(listed, row)
    entry.ahead, entry.expected_at = now.ahead, now.expected_at
    entry.why = entry.why or now.waits_because
    return entry


# Arguments of writes that people understand best, in this order.
TELLING = ("title", "body", "message", "summary", "labels", "state", "head", "branch", "status")
LENGTH = 120


def _first_line(arguments: dict[str, object]) -> str:
    """The beginning of the first telling argument."""
    for name in TELLING:
        if found := arguments.get(name):
            text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
            line = text.strip().partition("\n")[0]
            return line if len(line) <= LENGTH else f"{line[: LENGTH - 1]}…"
    return ""


async def _authors(ctx: Context) -> list[AuthorCount]:
    """From the one who has the most."""
    counted = await usage.queued_by_author(ctx.tx, ctx.installation_id)
    return [
        AuthorCount(author=author, n=n, paused=paused) for author, (n, paused) in counted.items()
    ]
