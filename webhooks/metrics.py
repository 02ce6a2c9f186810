"""`/metrics`: what this process counted, and what the database holds."""

from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bot.dispatch.dispatcher import Dispatcher
from bot.outbox import usage
from bot.outbox.usage import Outbox
from store.agents import agents
from store.agents.agents import Report
from store.engine.transaction import Tx
from store.inbox import backlog


class Metrics:
    """A registry of our own: the library's global one is shared by all in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events: set[str] = set()
        self.deliveries = Counter(
            "hubbub_deliveries_received_total",
            "Webhook deliveries that were kept.",
            ["event"],
            registry=self.registry,
        )
        self.requests = Counter(
            "hubbub_http_requests_total",
            "Requests answered, by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "hubbub_http_request_seconds",
            "How long an answer took.",
            ["route"],
            registry=self.registry,
        )

    async def render(self, dispatcher: Dispatcher) -> bytes:
        stored = CollectorRegistry()
        by_state = await dispatcher.store.read(backlog.by_state)
        stored.register(_Stored(by_state, await dispatcher.store.read(backlog.behind)))
        stored.register(_Outbox(await dispatcher.store.read(usage.latest)))
        stored.register(_Health(await dispatcher.store.read(_healthy)))
        registries = (self.registry, dispatcher.metrics.registry, stored)
        return b"".join(generate_latest(each) for each in registries)


BEHIND = {
    "mirror_lag_seconds": "Since the oldest delivery came that is not in the mirror yet.",
    "deliveries_lost": "Deliveries that GitHub has in its log and the inbox lacks.",
    "backfill_seen": "Things fetched by backfills.",
    "backfill_expected": "Things that GitHub said there are to fetch.",
}


class _Stored:
    """Rows by table and state, and how far behind the mirror is, as they were when asked."""

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
    """Of each installation: what may still be spent on GitHub, who spent it, what waits."""

    def __init__(self, found: list[Outbox]) -> None:
        self._found = found

    def collect(self) -> Iterable[GaugeMetricFamily]:
        left, limit = (
            GaugeMetricFamily(f"hubbub_budget_{name}", words, labels=["installation", "resource"])
            for name, words in (
                ("left", "What is left of a limit, GitHub's or one that is kept below it."),
                ("limit", "The whole of that limit."),
            )
        )
        reserved = GaugeMetricFamily(
            "hubbub_budget_reserved",
            "What of that limit agents leave to people and bookkeeping.",
            labels=["installation", "resource"],
        )
        waiting = GaugeMetricFamily(
            "hubbub_outbox_waiting",
            "Writes that are to go out, by author.",
            labels=["installation", "author"],
        )
        empty = GaugeMetricFamily(
            "hubbub_outbox_empty_seconds",
            "In how many seconds the last of them should have gone out.",
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


HEALTH = {
    "latency_ms": "The latency that an agent told, in milliseconds.",
    "error_rate": "The share of what it did that failed, as it told, 0 to 1.",
    "cpu_percent": "The CPU that it uses, as it told, in percent.",
    "memory_mb": "The memory that it uses, as it told, in megabytes.",
}
HOUR = 3600 * 1_000_000
MOST_AGENTS = 1000


async def _healthy(tx: Tx) -> list[Report]:
    return await agents.reporting(tx, await tx.now() - HOUR, MOST_AGENTS)


class _Health:
    """What agents said of themselves, of those that were heard of in the last hour."""

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
