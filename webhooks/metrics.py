"""`/metrics`: what this process counted, and what the database holds."""

from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bot.hub import Hub
from store import counts


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

    async def render(self, hub: Hub) -> bytes:
        stored = CollectorRegistry()
        by_state = await hub.store.read(counts.by_state)
        stored.register(_Stored(by_state, await hub.store.read(counts.behind)))
        registries = (self.registry, hub.calls.registry, stored)
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


def response(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
