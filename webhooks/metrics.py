"""`/metrics`: counters of this server, and gauges from the database."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from bot.audit.seals import SHORT
from bot.dispatch.dispatcher import Dispatcher
from bot.outbox import usage
from bot.outbox.usage import Outbox
from store.agents import agents
from store.agents.agents import Report
from store.audit import seals
from store.audit.seals import LastSeal
from store.engine.transaction import Store, Tx
from store.inbox import backlog
from store.runs import run_queue
from webhooks.shared_answer import SharedAnswer

# Names of webhook events that have a label of their own.
MOST_EVENTS = 100


class Metrics:
    """The registry is our own, because the library's is global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events: set[str] = set()
        self._stored: SharedAnswer[bytes] = SharedAnswer()
        self.deliveries = Counter(
            "hubbub_deliveries_received_total",
            "Webhook deliveries that were stored.",
            ["event"],
            registry=self.registry,
        )
        self.signatures = Counter(
            "hubbub_signatures_refused_total",
            "Webhook deliveries whose signature was missing or wrong.",
            ["reason"],
            registry=self.registry,
        )
        self.requests = Counter(
            "hubbub_http_requests_total",
            "Answered requests by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "hubbub_http_request_seconds",
            "Seconds until the answer.",
            ["route"],
            registry=self.registry,
        )

    def count_delivery(self, event: str) -> None:
        """Count a stored delivery. New names are limited, because each label costs memory."""
        label = event if event in self.events or len(self.events) < MOST_EVENTS else "other"
        self.events.add(label)
        self.deliveries.labels(label).inc()

    async def render(self, dispatcher: Dispatcher) -> bytes:
        """The counters of this moment, and the gauges of this moment or a little before."""
        stored = await self._stored.get(partial(_gauges, dispatcher.store))
        return b"".join(generate_latest(each) for each in self._counters(dispatcher)) + stored

    def _counters(self, dispatcher: Dispatcher) -> list[CollectorRegistry]:
        """Those of this process. With `--processes`, the sums of all, which are in a folder."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return [self.registry, dispatcher.metrics.registry]
        sums = CollectorRegistry()
        sums.register(_Sums(Path(folder)))
        return [sums]


@dataclass(frozen=True)
class _Sums:
    """The counters of all processes.

    A process that is killed while it begins a file leaves it empty, and the library fails at an
    empty file (prometheus/client_python issue 1199).
    """

    folder: Path

    def collect(self) -> Iterable[Metric]:
        files = [str(each) for each in self.folder.glob("*.db") if each.stat().st_size]
        found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found


async def _gauges(store: Store) -> bytes:
    """The gauges from the database. Counting the rows takes long if there are many."""
    registry = CollectorRegistry()
    by_state = await store.read(backlog.by_state)
    behind = await store.read(backlog.behind) | await store.read(run_queue.waiting_s)
    registry.register(_Rows(by_state, behind))
    registry.register(_Outbox(await store.read(usage.latest)))
    registry.register(_Health(await store.read(_healthy)))
    registry.register(await store.read(_seals))
    return generate_latest(registry)


BEHIND = {
    "mirror_lag_seconds": "Seconds since the oldest unprocessed delivery arrived.",
    "deliveries_lost": "Deliveries in GitHub's log that the inbox does not have.",
    "backfill_seen": "Items that backfills fetched.",
    "backfill_expected": "Items that backfills have to fetch, as far as GitHub says.",
    "runs_waiting_seconds": "Seconds since the oldest agent run in a queue was asked for.",
}


class _Rows:
    """Rows by table and state, and how far the mirror is behind."""

    def __init__(self, found: dict[str, dict[str, int]], behind: dict[str, float]) -> None:
        self._found = found
        self._behind = behind

    def collect(self) -> Iterable[GaugeMetricFamily]:
        gauge = GaugeMetricFamily("hubbub_rows", "Rows by state.", labels=["table", "state"])
        for table, states in self._found.items():
            for state, n in states.items():
                gauge.add_metric([table, state], n)
        yield gauge
        for name, value in self._behind.items():
            yield GaugeMetricFamily(f"hubbub_{name}", BEHIND[name], value=value)


class _Outbox:
    """For each installation: what is left of the limits, who used them, and what waits."""

    def __init__(self, found: list[Outbox]) -> None:
        self._found = found

    def collect(self) -> Iterable[GaugeMetricFamily]:
        left, limit = (
            GaugeMetricFamily(f"hubbub_budget_{name}", words, labels=["installation", "resource"])
            for name, words in (
                ("left", "What is left of a limit: GitHub's own, or a lower one of Hubbub."),
                ("limit", "The limit."),
            )
        )
        reserved = GaugeMetricFamily(
            "hubbub_budget_reserved",
            "The share of the limit that is reserved for people and bookkeeping.",
            labels=["installation", "resource"],
        )
        waiting = GaugeMetricFamily(
            "hubbub_outbox_waiting",
            "Writes that wait, by author, without those that a pause holds.",
            labels=["installation", "author"],
        )
        empty = GaugeMetricFamily(
            "hubbub_outbox_empty_seconds",
            "Seconds until the last waiting write is expected to be sent.",
            labels=["installation"],
        )
        spent = GaugeMetricFamily(
            "hubbub_outbox_spent",
            "Writes sent in the last 24 hours, by author.",
            labels=["installation", "author"],
        )
        for each in self._found:
            here = str(each.installation_id)
            for bucket in each.buckets:
                for gauge, value in (
                    (left, bucket.left),
                    (limit, bucket.limit),
                    (reserved, bucket.reserved),
                ):
                    if value is not None:
                        gauge.add_metric([here, bucket.name], value)
            for author, n in each.waiting.items():
                waiting.add_metric([here, author], n)
            for author, n in each.spent.items():
                spent.add_metric([here, author], n)
            empty.add_metric([here], each.empty_in_s)
        yield from (left, limit, reserved, waiting, empty, spent)


async def _seals(tx: Tx) -> "_Seals":
    return _Seals(await seals.last_of_each(tx, MOST_SEALS), await tx.now())


class _Seals:
    """The last seals of the audit log: who keeps these can tell whether its end was cut off."""

    def __init__(self, found: list[LastSeal], now: int) -> None:
        self._found = found
        self._now = now

    def collect(self) -> Iterable[GaugeMetricFamily]:
        last = GaugeMetricFamily(
            "hubbub_audit_last_seal",
            "The number of the last seal, with the beginning of its hash.",
            labels=["installation", "hash"],
        )
        age = GaugeMetricFamily(
            "hubbub_audit_last_seal_age_seconds",
            "Seconds since the last seal was made.",
            labels=["installation"],
        )
        for each in self._found:
            here = str(each["installation_id"])
            last.add_metric([here, each["hash"][:SHORT]], each["number"])
            age.add_metric([here], (self._now - each["at"]) / 1_000_000)
        yield from (last, age)


HEALTH = {
    "latency_ms": "The latency that an agent reports, in milliseconds.",
    "error_rate": "The share of its work that failed, as the agent reports, from 0 to 1.",
    "cpu_percent": "The CPU that the agent reports to use, in percent.",
    "memory_mb": "The memory that the agent reports to use, in megabytes.",
}
HOUR = 3600 * 1_000_000
MOST_AGENTS = 1000
MOST_SEALS = 1000


async def _healthy(tx: Tx) -> list[Report]:
    return await agents.health_reports(tx, await tx.now() - HOUR, MOST_AGENTS)


class _Health:
    """The health that agents reported in the last hour."""

    def __init__(self, found: list[Report]) -> None:
        self._found = found

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, words in HEALTH.items():
            gauge = GaugeMetricFamily(
                f"hubbub_agent_{name}", words, labels=["installation", "agent"]
            )
            for each in self._found:
                if name in each["health"]:
                    of = [str(each["installation_id"]), each["id"]]
                    gauge.add_metric(of, each["health"][name])
            yield gauge


def response(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
