"""How often tool servers are called, with what outcome, and how long they take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram

from bot.tool_servers.connections import (
    Json,
    Kind,
    Progress,
    ServerSpec,
    ToolResult,
    ToolServers,
    ToolSpec,
    Unavailable,
)


class ToolMetrics:
    """By kind of server only: names of servers and tools are without number."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "hubbub_tool_server_seconds",
            "How long tool servers took to answer, by outcome: ok, or why there was no answer.",
            ["kind", "asked", "outcome"],
            registry=self.registry,
        )

    @contextmanager
    def measure(self, kind: Kind, asked: str) -> Iterator[None]:
        """`asked`: list or call."""
        began, outcome = time.perf_counter(), "cancelled"
        try:
            yield
            outcome = "ok"
        except Unavailable as exc:
            outcome = exc.kind
            raise
        finally:
            self._seconds.labels(kind, asked, outcome).observe(time.perf_counter() - began)


@dataclass(frozen=True)
class Measured:
    """Tool servers whose answers are counted."""

    inner: ToolServers
    metrics: ToolMetrics

    async def list_tools(self, spec: ServerSpec) -> list[ToolSpec]:
        with self.metrics.measure(spec.kind, "list"):
            return await self.inner.list_tools(spec)

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        with self.metrics.measure(spec.kind, "call"):
            return await self.inner.call_tool(spec, tool, arguments, timeout_s, max_bytes, progress)

    async def drop(self, installation_id: int, server_id: str) -> None:
        await self.inner.drop(installation_id, server_id)
