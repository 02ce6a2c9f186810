"""The metrics that come from the database, the same at each server."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bot.attention import items
from bot.audit.seals import SHORT
from bot.backup.schedule import last_backup
from bot.kernel.operation import Shared
from bot.outbox import usage
from bot.outbox.usage import Outbox
from bot.times import SECOND
from store import figures
from store.agents import agents
from store.agents.agents import Report
from store.audit import seals
from store.engine.transaction import Store, Tx
from store.inbox import backlog
from store.mounts import mounts
from store.outbox import sender_leases
from store.runs import run_queue
from store.trackers import trackers

# Values by the values of the labels.
Values: TypeAlias = Iterable[tuple[Sequence[Any], float]]

HOUR = 3600 * SECOND
DAY = 24 * HOUR
MILLION = 1_000_000
MOST_AGENTS = 1000
MOST_SEALS = 1000
# What needs a person takes some queries for each.
MOST_WITH_ATTENTION = 20
MOST_INSTALLATIONS = usage.MOST_INSTALLATIONS
# Authors with a label of their own. The others count as one.
MOST_AUTHORS = 20
QUANTILES = (0.5, 0.9)


async def render(store: Store, shared: Shared) -> bytes:
    """The text of all of them. Between their parts others get turns, as counting takes long."""
    found = [await _rows(store)]
    for part in (
        _behind,
        partial(_agents, shared=shared),
        _lease_ends,
        _work,
        _outbox,
        _health,
        _seals,
        _size,
        _backup,
        _tool_servers,
        _trackers,
    ):
        found += await store.read(part)
        await asyncio.sleep(0)
    found.append(await _attention(store))
    registry = CollectorRegistry()
    registry.register(_Families(found))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Families:
    found: list[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.found


def _gauge(name: str, words: str, labels: Sequence[str], values: Values) -> Metric:
    family = GaugeMetricFamily(f"hubbub_{name}", words, labels=labels)
    for of, value in values:
        family.add_metric([str(each) for each in of], value)
    return family


def _counter(name: str, words: str, labels: Sequence[str], values: Values) -> Metric:
    family = CounterMetricFamily(f"hubbub_{name}", words, labels=labels)
    for of, value in values:
        family.add_metric([str(each) for each in of], value)
    return family


async def _rows(store: Store) -> Metric:
    values = []
    for table in backlog.TABLES:
        found = await store.read(partial(backlog.by_state, table=table))
        values += [((table, state), n) for state, n in found.items()]
        await asyncio.sleep(0)
    return _gauge("rows", "Rows by state.", ("table", "state"), values)


BEHIND = {
    "mirror_lag_seconds": "Seconds since the oldest unprocessed delivery arrived.",
    "deliveries_lost": "Deliveries in GitHub's log that the inbox does not have.",
    "backfill_seen": "Items that backfills fetched.",
    "backfill_expected": "Items that backfills have to fetch, as far as GitHub says.",
    "runs_waiting_seconds": "Seconds since the oldest agent run in a queue was asked for.",
    "writes_unknown_seconds": "Seconds since the oldest write with an unknown outcome was sent.",
    "reads_waiting_seconds": "Seconds since the oldest read that is due was asked for.",
    "installations_without_sender": "Installations with something due that no process sends for.",
}


async def _behind(tx: Tx) -> list[Metric]:
    found = (
        await backlog.behind(tx) | await run_queue.waiting_s(tx) | await figures.waiting_times(tx)
    )
    return [_gauge(name, BEHIND[name], (), [((), value)]) for name, value in found.items()]


async def _agents(tx: Tx, shared: Shared) -> list[Metric]:
    found = await figures.agents_by_state(tx, shared.idle_after, shared.inactive_after)
    values = [((state,), n) for state, n in found.items()]
    return [_gauge("agents", "Agents by state.", ("state",), values)]


async def _tool_servers(tx: Tx) -> list[Metric]:
    values = [((row["kind"], row["health"]), row["n"]) for row in await mounts.by_health(tx)]
    words = "Tool servers that are not stopped, by kind and health."
    return [_gauge("tool_servers", words, ("kind", "health"), values)]


async def _trackers(tx: Tx) -> list[Metric]:
    values = [((row["state"], row["health"]), row["n"]) for row in await trackers.by_health(tx)]
    words = "Foreign trackers, by state and health."
    return [_gauge("trackers", words, ("state", "health"), values)]


async def _lease_ends(tx: Tx) -> list[Metric]:
    values = [
        ((row["installation_id"], how), int(n))
        for row in await figures.lease_ends(tx, MOST_INSTALLATIONS)
        for how, n in (
            ("completed", row["completed"]),
            ("failed", row["failed"]),
            ("expired", row["expired"]),
            ("released", row["released"]),
        )
    ]
    words = "How the leases of agents ended."
    return [_counter("leases_ended", words, ("installation", "how"), values)]


async def _work(tx: Tx) -> list[Metric]:
    """What the installations that wrote last got done in the last day, and what they spent."""
    since = await tx.now() - DAY
    ended, share, lasted, held, money, tokens = [list[Any]() for _ in range(6)]
    for here in await sender_leases.latest(tx, MOST_INSTALLATIONS):
        done = await figures.ended_tasks(tx, here, since)
        n = dict.fromkeys(("completed", "failed", "cancelled"), 0)
        for row in done:
            n[row["state"]] += 1
        ended += [((here, state), count) for state, count in n.items()]
        if tried := n["completed"] + n["failed"]:
            share.append(((here,), n["completed"] / tried))
        completed = [
            row["ended_at"] - row["created_at"] for row in done if row["state"] == "completed"
        ]
        lasted += _quantiles(here, completed)
        leases = await figures.ended_leases(tx, here, since)
        held += _quantiles(here, [row["ended_at"] - row["granted_at"] for row in leases])
        for spent in await figures.reported_spend(tx, here):
            money.append(((here, spent["currency"]), spent["cost"] / MILLION))
            tokens += [
                ((here, spent["currency"], "input"), spent["input_tokens"]),
                ((here, spent["currency"], "output"), spent["output_tokens"]),
                ((here, spent["currency"], "cached"), spent["cached_tokens"]),
            ]
    here_and = ("installation",)
    return [
        _gauge("tasks_ended", "Tasks that ended in the last day.", (*here_and, "state"), ended),
        _gauge("task_success_share", "Which share of them was completed.", here_and, share),
        _gauge("task_seconds", "Their time from creation to end.", (*here_and, "quantile"), lasted),
        _gauge("lease_seconds", "How long agents held a task.", (*here_and, "quantile"), held),
        _counter("spend", "Money that agents reported.", (*here_and, "currency"), money),
        _counter("tokens", "Tokens that agents reported.", (*here_and, "currency", "kind"), tokens),
    ]


def _quantiles(here: int, lasted: list[int]) -> Values:
    ordered = sorted(lasted)
    if not ordered:
        return []
    last = len(ordered) - 1
    return [((here, each), ordered[round(each * last)] / SECOND) for each in QUANTILES]


async def _outbox(tx: Tx) -> list[Metric]:
    """For each installation: what is left of the limits, who used them, and what waits."""
    found = await usage.latest(tx)
    return [*_budgets(found), *_queues(found)]


def _budgets(found: list[Outbox]) -> Iterable[Metric]:
    buckets = [(each.installation_id, bucket) for each in found for bucket in each.buckets]
    for name, attribute, words in (
        ("left", "left", "What is left of a limit: GitHub's own, or a lower one of Hubbub."),
        ("limit", "limit", "The limit."),
        ("reserved", "reserved", "The share of it that is reserved for people and bookkeeping."),
    ):
        values = [
            ((here, bucket.name), value)
            for here, bucket in buckets
            if (value := getattr(bucket, attribute)) is not None
        ]
        yield _gauge(f"budget_{name}", words, ("installation", "resource"), values)


def _queues(found: list[Outbox]) -> Iterable[Metric]:
    by_author = ("installation", "author")
    waiting = [
        ((each.installation_id, author), n)
        for each in found
        for author, n in _with_labels(each.waiting).items()
    ]
    spent = [
        ((each.installation_id, author), n) for each in found for author, n in each.spent.items()
    ]
    empty = [((each.installation_id,), each.empty_in_s) for each in found]
    words = "Writes that wait, by author, without those that a pause holds."
    yield _gauge("outbox_waiting", words, by_author, waiting)
    words = "Seconds until the last waiting write is expected to be sent."
    yield _gauge("outbox_empty_seconds", words, ("installation",), empty)
    yield _gauge("outbox_spent", "Writes sent in the last 24 hours, by author.", by_author, spent)


def _with_labels(counts: dict[str, int]) -> dict[str, int]:
    """The largest of the counts by author, and the sum of the others, as each label costs."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    rest = sum(n for _, n in ordered[MOST_AUTHORS:])
    return dict(ordered[:MOST_AUTHORS]) | ({"other": rest} if rest else {})


HEALTH = {
    "latency_ms": "The latency that an agent reports, in milliseconds.",
    "error_rate": "The share of its work that failed, as the agent reports, from 0 to 1.",
    "cpu_percent": "The CPU that the agent reports to use, in percent.",
    "memory_mb": "The memory that the agent reports to use, in megabytes.",
}


async def _health(tx: Tx) -> list[Metric]:
    """The health that agents reported in the last hour."""
    found: list[Report] = await agents.health_reports(tx, await tx.now() - HOUR, MOST_AGENTS)
    return [
        _gauge(
            f"agent_{name}",
            words,
            ("installation", "agent"),
            [
                ((each["installation_id"], each["id"]), each["health"][name])
                for each in found
                if name in each["health"]
            ],
        )
        for name, words in HEALTH.items()
    ]


async def _seals(tx: Tx) -> list[Metric]:
    """The last seals of the audit log: who keeps these can tell whether its end was cut off."""
    found, now = await seals.last_of_each(tx, MOST_SEALS), await tx.now()
    last = [((each["installation_id"], each["hash"][:SHORT]), each["number"]) for each in found]
    age = [((each["installation_id"],), (now - each["at"]) / SECOND) for each in found]
    words = "The number of the last seal, with the beginning of its hash."
    return [
        _gauge("audit_last_seal", words, ("installation", "hash"), last),
        _gauge(
            "audit_last_seal_age_seconds",
            "Seconds since the last seal was made.",
            ("installation",),
            age,
        ),
    ]


async def _size(tx: Tx) -> list[Metric]:
    size = await figures.database_bytes(tx)
    return [_gauge("database_bytes", "The size of the database on the disk.", (), [((), size)])]


async def _attention(store: Store) -> Metric:
    """What needs a person, in the installations that wrote last."""
    values = []
    for here in await store.read(partial(sender_leases.latest, limit=MOST_WITH_ATTENTION)):
        kinds = await store.read(partial(items.open_kinds, installation_id=here))
        values += [((here, each.kind), each.total) for each in kinds]
        await asyncio.sleep(0)
    return _gauge("attention", "What needs a person.", ("installation", "kind"), values)


async def _backup(tx: Tx) -> list[Metric]:
    """Nothing before the first backup."""
    last = await last_backup(tx)
    age = [((), (await tx.now() - last["at"]) / SECOND)] if last else []
    words = "Seconds since the snapshot of the last complete backup."
    return [_gauge("backup_age_seconds", words, (), age)]
