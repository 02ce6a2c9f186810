"""A report of an installation's rate limits: what is left, who used it, and which writes wait."""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.github import rate_limit_store, rate_limits
from bot.github.rate_limits import SECONDARY, Limits
from bot.github.token_buckets import ALLOWANCES, Cost
from bot.identity.actors import BOT
from bot.outbox import fairness, forecast
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.outbox import budgets, sender_leases, write_order
from store.outbox.write_order import QueuedBy

DAY = 24 * 3600 * SECOND
MOST_SPENDERS = 20
MOST_INSTALLATIONS = 100
AGENTS = Cost(mutates=True, notifies=True, reserve=fairness.RESERVE)


# What the limits count, by name.
ABOUT = {
    "core": "REST requests an hour",
    "graphql": "GraphQL points an hour",
    SECONDARY: "GitHub's limit on bursts, of which it reports only that it was reached",
    "content": "writes; it keeps below GitHub's 80 a minute and 500 an hour",
    "points": "5 for a write and 1 for a read; it keeps below GitHub's 900 a minute",
}


class Bucket(BaseModel):
    """A rate limit of GitHub's on this installation, or one of ours that stays below GitHub's."""

    name: str
    about: str = Field(description="what it counts")
    limit: int | None = None
    left: int | None = None
    reserved: int | None = Field(
        None, description="the part of the limit that is reserved for people and bookkeeping"
    )
    full_at: str | None = Field(None, description="when the full limit is available again")
    closed_until: str | None = Field(
        None, description="no requests before this time, because GitHub said wait"
    )


@dataclass(frozen=True)
class Outbox:
    """`rows` counts waiting writes by author and kind. At `next_at` an agent may write again.

    They can go out; `paused` more cannot, because their authors are paused.
    """

    installation_id: int
    buckets: list[Bucket]
    next_at: int
    empty_in_s: float
    rows: list[QueuedBy]
    paused: int
    spent: dict[str, int]

    @property
    def waiting(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in self.rows:
            found[each["author"]] = found.get(each["author"], 0) + each["n"]
        return found


async def of(tx: Tx, installation_id: int) -> Outbox:
    now = await tx.now()
    limits = await rate_limit_store.of(tx, installation_id)
    queued = await write_order.queued_by(tx, installation_id)
    rows = [each for each in queued if not each["paused"]]
    empty_at = await _empty_at(tx, installation_id, limits, rows) if rows else now
    spent = await budgets.top_spenders(tx, installation_id, now - DAY, MOST_SPENDERS)
    return Outbox(
        installation_id=installation_id,
        buckets=buckets(limits, now),
        next_at=rate_limits.ready_at(limits, AGENTS, now),
        empty_in_s=(empty_at - now) / SECOND,
        rows=rows,
        paused=sum(each["n"] for each in queued if each["paused"]),
        spent={each["author"]: int(each["requests"]) for each in spent},
    )


async def _empty_at(tx: Tx, installation_id: int, limits: Limits, rows: list[QueuedBy]) -> int:
    """When all of these are sent. Cards and boards leave more of the budget than others."""
    now, n = await tx.now(), sum(each["n"] for each in rows)
    if not any(fairness.shows(each["author"], each["lane"], each["kind"]) for each in rows):
        return rate_limits.expected_at(limits, AGENTS, n - 1, now)
    others = sum(each["n"] for each in rows if each["author"] != BOT)
    may_show_at, _ = await forecast.shown_at(tx, installation_id, limits, others)
    return max(may_show_at, rate_limits.expected_at(limits, forecast.SHOWN, n - 1, now))


async def queued_by_author(tx: Tx, installation_id: int) -> dict[str, tuple[int, int]]:
    """How many writes of each author wait, and how many of them are held back; most first."""
    found: dict[str, tuple[int, int]] = {}
    for each in await write_order.queued_by(tx, installation_id):
        n, paused = found.get(each["author"], (0, 0))
        more = int(each["n"])
        found[each["author"]] = (n + more, paused + (more if each["paused"] else 0))
    return dict(sorted(found.items(), key=lambda one: (-one[1][0], one[0])))


async def latest(tx: Tx) -> list[Outbox]:
    """The reports of the installations that wrote last."""
    return [await of(tx, each) for each in await sender_leases.latest(tx, MOST_INSTALLATIONS)]


def buckets(limits: Limits, now: int) -> list[Bucket]:
    """GitHub's limits as it last reported them, then ours."""
    reported = [
        Bucket(
            name=each.resource,
            about=ABOUT.get(each.resource, "GitHub's limit of this name"),
            limit=each.limit,
            left=each.limit if (each.reset_at or 0) < now else each.remaining,
            reserved=None if each.limit is None else int(each.limit * fairness.RESERVE),
            full_at=stamp(each.reset_at) if (each.reset_at or 0) > now and each.reset_at else None,
            closed_until=stamp(each.blocked_until) if each.blocked_until > now else None,
        )
        for each in sorted(
            limits.known, key=lambda each: (each.resource == SECONDARY, each.resource)
        )
    ]
    ours = []
    for each in ALLOWANCES:
        full_at = limits.full_at.get(each.name, 0)
        ours.append(
            Bucket(
                name=each.name,
                about=ABOUT[each.name],
                limit=each.most,
                left=int(each.remaining(full_at, now)),
                reserved=int(each.most * fairness.RESERVE),
                full_at=stamp(full_at) if full_at > now else None,
                closed_until=None,
            )
        )
    return reported + ours
