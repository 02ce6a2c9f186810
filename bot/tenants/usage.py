"""What an account used, by day: counted in the background from its events and its agents."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.times import SECOND
from store.engine import ids
from store.engine.transaction import Store, Tx
from store.tables.tenants import TenantCursorRow
from store.tables.tool_calls import TOOL_CALL
from store.tenants import usage_counts
from store.tenants.usage_counts import CalledTool, Happened

DAY = 86_400 * SECOND
# Events and installations of one step.
EVENTS, INSTALLATIONS = 1000, 100
# What is counted, by the kind of the event.
COUNTED: Mapping[str, str] = {
    "task.created": "tasks_created",
    "task.claimed": "claims",
    "task.completed": "tasks_completed",
    "task.failed": "tasks_failed",
    "message.sent": "messages",
    "context.created": "contexts",
    "workflow.started": "workflows",
    "agent.run_started": "runs",
    "agent.registered": "agents_registered",
}
# Counted from the totals of the agents.
CALLS, BYTES = "calls", "bytes"
TOOL_CALLS = "tool_calls"
NAMES = (CALLS, BYTES, *COUNTED.values(), TOOL_CALLS)
# A call of a tool is committed so long after its id was made, at most.
LATE = 60 * SECOND


@dataclass(frozen=True)
class DayOfUse:
    """`day`: since 1970 in UTC. `spend`: in millionths, by currency, as agents report it."""

    day: int
    counts: Mapping[str, int] = field(default_factory=dict)
    spend: Mapping[str, int] = field(default_factory=dict)


async def step(store: Store) -> int:
    """Count what happened since the last step. Return how many installations had something."""
    behind = await store.read(lambda tx: usage_counts.behind(tx, INSTALLATIONS))
    for installation_id in behind:
        await count(store, installation_id)
    return len(behind)


async def count(store: Store, installation_id: int) -> None:
    """Count all that happened in one installation until now."""
    while await store.write(lambda tx: _count_some(tx, installation_id)) == EVENTS:
        pass


async def _count_some(tx: Tx, installation_id: int) -> int:
    cursor = await usage_counts.lock_cursor(tx, installation_id)
    head, now = await usage_counts.head(tx, installation_id), await tx.now()
    here = (tx, installation_id)
    # Up to the head as it was read: what is committed meanwhile is for the next step.
    happened = await usage_counts.events_between(*here, cursor["seq"], head, EVENTS)
    before = ids.first(TOOL_CALL, now - LATE)
    called = await usage_counts.tool_calls_between(*here, cursor["tool_call"], before, EVENTS)
    totals = await usage_counts.totals(*here)
    counts = _by_day(happened, called)
    counts[now // DAY][CALLS] += max(0, totals["calls"] - cursor["calls"])
    counts[now // DAY][BYTES] += max(0, totals["stored_bytes"] - cursor["stored_bytes"])
    for day, found in sorted(counts.items()):
        await usage_counts.add(*here, day, +found)
    moved: TenantCursorRow = {
        "installation_id": installation_id,
        # Without more events, the number may belong to a message or a row of the audit.
        "seq": happened[-1]["seq"] if len(happened) == EVENTS else head,
        "tool_call": called[-1]["id"] if called else cursor["tool_call"],
        **totals,
    }
    await usage_counts.move_cursor(tx, moved)
    return max(len(happened), len(called))


def _by_day(
    happened: Sequence[Happened], called: Sequence[CalledTool]
) -> defaultdict[int, Counter[str]]:
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for each in happened:
        if each["kind"] in COUNTED:
            counts[each["at"] // DAY][COUNTED[each["kind"]]] += 1
    for call in called:
        counts[call["at"] // DAY][TOOL_CALLS] += 1
    return counts


async def report(tx: Tx, installation_id: int, first: int, last: int) -> list[DayOfUse]:
    """The use of each day from `first` to `last`, both included. Days without any are left out."""
    counts = await usage_counts.between(tx, installation_id, first, last)
    spend = await usage_counts.spend_between(tx, installation_id, first, last)
    return [
        DayOfUse(day, counts.get(day, {}), spend.get(day, {})) for day in sorted({*counts, *spend})
    ]


def total(days: list[DayOfUse]) -> DayOfUse:
    counts, spend = Counter[str](), Counter[str]()
    for each in days:
        counts.update(each.counts)
        spend.update(each.spend)
    return DayOfUse(days[0].day if days else 0, counts, spend)
