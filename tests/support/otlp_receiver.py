"""A collector of traces on loopback: it takes what OpenTelemetry's exporter sends over HTTP."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A span. `links`: the ids of the traces that it points to."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: list[str]
    attributes: dict[str, Any]
    failed: bool
    resource: dict[str, Any]


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.spans += spans_in(ExportTraceServiceRequest.FromString(body))
        return web.Response(content_type="application/x-protobuf")

    def named(self, name: str) -> list[Received]:
        return [each for each in self.spans if each.name == name]

    def in_trace(self, trace: str) -> list[str]:
        return sorted({each.name for each in self.spans if each.trace == trace})


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.receive)
    async with TestServer(app) as server:
        collector.url = str(server.make_url("")).rstrip("/")
        yield collector


def spans_in(request: ExportTraceServiceRequest) -> list[Received]:
    return [
        Received(
            span.name,
            span.kind,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            [each.trace_id.hex() for each in span.links],
            _values(span.attributes),
            span.status.code == span.status.STATUS_CODE_ERROR,
            _values(of_resource.resource.attributes),
        )
        for of_resource in request.resource_spans
        for scope in of_resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
