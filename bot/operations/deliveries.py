"""The webhook deliveries of an installation: what came, what became of it, and replay."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Answer, Context, operation
from bot.kernel.pagination import Cursor, decode, encode, wrong_cursor
from bot.times import stamp
from store.inbox import deliveries, delivery_lists
from store.inbox.delivery_lists import Place
from store.inbox.missed_deliveries import DeliveryInfo
from store.mirror import stored_repositories

State: TypeAlias = Literal["received", "processed", "failed", "dead"]
Guid: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=80, description="GitHub's id of the delivery")
]
ON_A_PAGE = 50
# Deliveries that one call looks at. Those of repositories out of reach are left out.
LOOKED_AT = 200
MOST_COUNTED = 200
# Characters of a payload that are shown.
PAYLOAD_LENGTH = 200_000
MOST_REPLAYED = 200
# What nobody needs to look at is not counted, because it is nearly all.
COUNTED: tuple[State, ...] = ("received", "failed", "dead")


class DeliveryEntry(BaseModel):
    guid: str
    event: str
    action: str
    repository: str | None = None
    state: State
    outcome: str | None = Field(None, description="mirrored, kept or malformed")
    attempts: int
    error: str | None = None
    received_at: str
    processed_at: str | None = None


class DeliveryCount(BaseModel):
    state: State
    n: int
    more: bool = Field(False, description="there are more than `n`")


class DeliveryList(Answer):
    of_mirror = False

    deliveries: list[DeliveryEntry]
    counts: list[DeliveryCount] = Field(
        [], description="only for those who see all of the installation"
    )
    next_cursor: str | None = None


@operation(reads_only=True)
async def list_deliveries(
    ctx: Context,
    state: Annotated[State | None, Field(description="default: all")] = None,
    cursor: Cursor = None,
) -> DeliveryList:
    """List the webhook deliveries that GitHub sent, newest first."""
    states = (state,) if state else deliveries.STATES
    looked_at = await delivery_lists.page(
        ctx.tx, ctx.installation_id, states, _place(cursor), LOOKED_AT
    )
    rows = [row for row in looked_at if _may_see(ctx, row["repository_id"])][:ON_A_PAGE]
    return DeliveryList(
        deliveries=await _entries(ctx, rows),
        counts=await _counts(ctx) if _sees_all(ctx) else [],
        next_cursor=_following(rows, looked_at),
    )


def _following(rows: Sequence[DeliveryInfo], looked_at: Sequence[DeliveryInfo]) -> str | None:
    """Where the next page begins: after what is shown, or after what was looked at."""
    last = rows[-1] if len(rows) == ON_A_PAGE else looked_at[-1] if looked_at else None
    is_end = last is None or (last is looked_at[-1] and len(looked_at) < LOOKED_AT)
    return None if is_end or last is None else encode(f"{last['received_at']} {last['guid']}")


def _place(cursor: str | None) -> Place | None:
    at, _, guid = decode(cursor).partition(" ")
    if not cursor:
        return None
    if not at.isdecimal() or len(at) > 18:
        raise wrong_cursor()
    return int(at), guid


def _sees_all(ctx: Context) -> bool:
    """Whether the caller also sees what belongs to no repository."""
    return permissions.leads_everywhere(ctx.actor)


def _may_see(ctx: Context, repository_id: int | None) -> bool:
    reach = ctx.actor.repositories
    if repository_id is None:
        return _sees_all(ctx)
    return reach is None or repository_id in reach


async def _counts(ctx: Context) -> list[DeliveryCount]:
    here = (ctx.tx, ctx.installation_id)
    found = {each: await delivery_lists.count_up_to(*here, each, MOST_COUNTED) for each in COUNTED}
    return [DeliveryCount(state=state, n=n, more=n == MOST_COUNTED) for state, n in found.items()]


async def _entries(ctx: Context, rows: Sequence[DeliveryInfo]) -> list[DeliveryEntry]:
    ids = {row["repository_id"] for row in rows if row["repository_id"] is not None}
    known = await stored_repositories.names(ctx.tx, ctx.installation_id, sorted(ids), len(ids))
    names = {each["id"]: each["full_name"] for each in known}
    return [_entry(row, names.get(row["repository_id"] or 0)) for row in rows]


def _entry(row: DeliveryInfo, repository: str | None) -> DeliveryEntry:
    processed_at = row["processed_at"]
    return DeliveryEntry(
        guid=row["guid"],
        event=row["event"],
        action=row["action"],
        repository=repository,
        state=row["state"],
        outcome=row["outcome"],
        attempts=row["attempts"],
        error=row["error"],
        received_at=stamp(row["received_at"]),
        processed_at=stamp(processed_at) if processed_at else None,
    )


class DeliveryShown(Answer):
    of_mirror = False

    delivery: DeliveryEntry
    headers: dict[str, str] = Field(description="those of GitHub that Hubbub keeps")
    payload: str = Field(description="JSON, indented; texts in it came from GitHub")
    hidden: bool = Field(
        False, description="the payload is left out: it describes a private repository out of reach"
    )
    size: int = Field(description="bytes of the payload")
    cut: bool = Field(False, description="the payload is longer than what is shown")


@operation(reads_only=True)
async def get_delivery(ctx: Context, guid: Guid) -> DeliveryShown:
    """Return a webhook delivery with its headers and its payload."""
    found = await deliveries.get(ctx.tx, ctx.installation_id, guid)
    if found is None or not _may_see(ctx, found[0]["repository_id"]):
        raise _unknown(guid)
    row, delivery = found
    (entry,) = await _entries(ctx, [row])
    hidden = _describes_unseen(ctx, delivery.payload)
    text = "" if hidden else _readable(delivery.payload)
    return DeliveryShown(
        delivery=entry,
        headers={"X-GitHub-Event": row["event"], "X-GitHub-Delivery": row["guid"]},
        payload=text[:PAYLOAD_LENGTH],
        hidden=hidden,
        size=len(delivery.payload),
        cut=len(text) > PAYLOAD_LENGTH,
    )


def _describes_unseen(ctx: Context, payload: bytes) -> bool:
    """Whether it has texts of another repository, which is private and out of reach.

    GitHub describes the other repository of a transferred issue, a sub-issue or a blocker.
    """
    reach = ctx.actor.repositories
    if reach is None:
        return False
    try:
        parts = list(_objects(json.loads(payload)))
    except ValueError:
        return True
    repositories = [each for each in parts if "full_name" in each and "private" in each]
    seen = [each for each in repositories if each["private"] is False or each.get("id") in reach]
    urls = {each.get("url") for each in seen}
    named = {each["repository_url"] for each in parts if "repository_url" in each}
    return len(seen) < len(repositories) or not named <= urls


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON value, also those within others."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()


def _readable(payload: bytes) -> str:
    """The payload as people read it. A malformed one is kept as it came."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (UnicodeDecodeError, ValueError):
        return payload.decode(errors="replace")


def _unknown(guid: str) -> Refused:
    return Refused(
        "unknown_delivery",
        f"There is no delivery {guid!r} that you may see. Deliveries are dropped after the "
        "retention time.",
    )


class Replayed(Answer):
    of_mirror = False

    replayed: list[str] = Field(description="GUIDs of the deliveries that are processed again")
    more: bool = Field(False, description="there are more: call again")


@operation(idempotent=True)
async def replay_delivery(
    ctx: Context,
    guid: Guid | None = None,
    all: Annotated[bool, Field(description="all dead ones that you see")] = False,  # noqa: A002, FBT002 -- an argument by name
) -> Replayed:
    """Process a dead webhook delivery again, or all of them."""
    if (guid is None) != all:
        raise Refused("invalid_arguments", "Pass either `guid`, or `all` true.")
    chosen = [await _dead_one(ctx, guid)] if guid else await _dead_ones(ctx)
    now = chosen[:MOST_REPLAYED]
    await deliveries.revive(ctx.tx, ctx.installation_id, now)
    return Replayed(replayed=now, more=len(chosen) > MOST_REPLAYED)


async def _dead_ones(ctx: Context) -> list[str]:
    """The dead deliveries that the caller may replay, if there are many one too many."""
    limit = MOST_REPLAYED + 1
    rows = await delivery_lists.page(ctx.tx, ctx.installation_id, ("dead",), None, limit)
    return [row["guid"] for row in rows if _may_see(ctx, row["repository_id"])]


async def _dead_one(ctx: Context, guid: str) -> str:
    found = await deliveries.get(ctx.tx, ctx.installation_id, guid)
    if found is None or not _may_see(ctx, found[0]["repository_id"]):
        raise _unknown(guid)
    if (state := found[0]["state"]) != "dead":
        raise Refused(
            "too_late",
            f"The delivery {guid} is {state}. Only a dead one, on which Hubbub gave up, can be "
            "replayed.",
            state=state,
        )
    return guid
