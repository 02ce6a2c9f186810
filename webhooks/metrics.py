"""`/metrics`: counters of this server, and gauges from the database."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from bot.dispatch.dispatcher import Dispatcher
from bot.kernel import late_imports
from webhooks.process_metrics import ProcessMetrics
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
        self.file_bytes = Counter(
            "hubbub_file_bytes_total",
            "Bytes of attached files that were uploaded or downloaded over HTTP.",
            ["direction"],
            registry=self.registry,
        )
        # So that both are there from the start, with 0.
        for direction in ("up", "down"):
            self.file_bytes.labels(direction)
        self.process = ProcessMetrics(self.registry)

    def count_delivery(self, event: str) -> None:
        """Count a stored delivery. New names are limited, because each label costs memory."""
        label = event if event in self.events or len(self.events) < MOST_EVENTS else "other"
        self.events.add(label)
        self.deliveries.labels(label).inc()

    async def render(self, dispatcher: Dispatcher) -> bytes:
        """The counters of this moment, and the gauges of this moment or a little before."""
        self.process.sample(dispatcher.store.pool())
        gauges = await late_imports.load("webhooks.stored_metrics")
        stored = await self._stored.get(partial(gauges.render, dispatcher.store, dispatcher.shared))
        return b"".join(generate_latest(each) for each in self._counters(dispatcher)) + stored

    def _counters(self, dispatcher: Dispatcher) -> list[CollectorRegistry]:
        """Those of this process. With `--processes`, the sums of all, which are in a folder."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            of_tools = dispatcher.shared.tool_metrics.registry
            return [self.registry, dispatcher.metrics.registry, of_tools]
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


def response(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
