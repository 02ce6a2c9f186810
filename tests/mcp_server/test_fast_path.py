"""The fast path of a tool call answers as the MCP library does.

Two servers on one store get the same bytes. One of them has no fast path. The time stands still, so
that both see the same. The engine plays no part, so these tests run on SQLite alone.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from yarl import URL

from bot.operations import OPERATIONS
from mcp_server import http
from store.engine.database import open_store
from tests.support.call_matrix import IN_WORKSPACE
from tests.support.canaries import ME, OTHER
from tests.support.server_in_process import Surface, serving
from tests.support.story import Clock, open_workspace

NEWER = max(MODERN_PROTOCOL_VERSIONS)
OLDER = "2025-11-25"
ERAS = (OLDER, NEWER)
VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CLIENT = "io.modelcontextprotocol/clientInfo"
ENVELOPE: dict[str, Any] = {VERSION: NEWER, CAPABILITIES: {}}
# What each operation is called with.
CALLS: dict[str, dict[str, Any]] = IN_WORKSPACE | {
    "list_tasks": {"detail": "full"},
    "github_get_diff": {"repository": "acme/rocket", "base": "main", "head": "x"},
}
# What a header or a part of the message is changed to, if it is left out.
ABSENT = object()


class StandingClock(Clock):
    """A clock that can be stopped."""

    stopped = False

    def __call__(self) -> int:
        return self.at if self.stopped else super().__call__()


@dataclass(frozen=True)
class Request:
    headers: list[tuple[str, str]]
    body: bytes

    def data(self) -> bytes:
        lines = [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join(["POST /mcp HTTP/1.1", *lines, f"Content-Length: {len(self.body)}"])
        return head.encode() + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Answer:
    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> str:
        """The body with its order, however the server writes letters that are not ASCII."""
        try:
            return json.dumps(json.loads(self.body))
        except ValueError:
            return repr(self.body)


@dataclass
class Caller:
    """One connection to a server. It is opened again when the server closes it."""

    url: URL
    _ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        try:
            return await self._ask(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()  # as the server did after its last answer
            return await self._ask(request)

    async def _ask(self, request: Request) -> Answer:
        if self._ends is None:
            self._ends = await asyncio.open_connection(self.url.host, self.url.port)
        reader, writer = self._ends
        writer.write(request.data())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        answer = Answer(status, headers, await _body(reader, headers))
        await writer.drain()
        for each in ("date", "content-length", "x-request-id"):
            headers.pop(each, None)
        return answer

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].transport.abort()
        self._ends = None


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    body = b""
    while headers.get("transfer-encoding") == "chunked":
        size = int(await reader.readline(), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if not size:
            break
    return body


def present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in values.items() if each is not ABSENT}


@dataclass
class Ways:
    """The two servers. `taken` counts the requests that the fast path took, and the others."""

    library: Caller
    fast: Caller
    tokens: dict[str, str]
    context_id: str
    surface: Surface
    taken: Counter[bool]

    def request(self, era: str, tool: str = "list_agents", arguments: Any = None) -> Request:
        return self.changed(era, tool, params={"arguments": arguments or {}})

    def changed(
        self,
        era: str,
        tool: str = "list_agents",
        *,
        headers: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        message: dict[str, Any] | None = None,
    ) -> Request:
        """A plain call with headers, parameters and parts of the message changed."""
        meta = {"_meta": ENVELOPE} if era in MODERN_PROTOCOL_VERSIONS else {}
        usual = {"name": tool, "arguments": {}, **meta, **(params or {})}
        sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": present(usual)}
        return Request(
            self.headers(era, tool, headers or {}),
            json.dumps(present(sent | (message or {}))).encode(),
        )

    def headers(self, era: str, tool: str, changed: dict[str, Any]) -> list[tuple[str, str]]:
        """`changed`: a value, ABSENT, or the values of a header that is there several times."""
        usual: dict[str, Any] = {
            "Host": "127.0.0.1:8080",
            "Authorization": f"Bearer {self.tokens[ME]}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": era,
        }
        if era in MODERN_PROTOCOL_VERSIONS:
            usual |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
        sent = present(usual | changed)
        lists = {name: each if isinstance(each, list) else [each] for name, each in sent.items()}
        return [(name, value) for name, values in lists.items() for value in values]

    async def compare(self, requests: Sequence[Request]) -> None:
        """Fail for the first request that the two answer differently."""
        for each in requests:
            here, there = await self.fast.ask(each), await self.library.ask(each)
            assert (here.status, here.headers, here.content) == (
                there.status,
                there.headers,
                there.content,
            ), each


@asynccontextmanager
async def counting(taken: Counter[bool], *given: Any) -> AsyncIterator[http.Endpoint]:
    """Count what the fast path takes."""
    async with http.serving(*given) as endpoint:

        async def answer(*request: Any) -> bytes | None:
            body = await endpoint.answer(*request)
            taken[body is not None] += 1
            return body

        yield replace(endpoint, answer=answer)


@pytest.fixture
async def ways(sqlite_url: str, openapi: Path | None) -> AsyncIterator[Ways]:
    """Two servers of a workspace with a task, two agents, and some of their work."""
    clock, taken = StandingClock(), Counter[bool]()
    store = await open_store(sqlite_url, clock)
    async with open_workspace(store, clock, openapi) as workspace:
        issue = await workspace.task("Mend the pump 🦊", "It is bröken\u2028\x7f.")
        workspace.person.comment(issue, "Please “soon”.")
        lead = await workspace.agent(ME, "tech-lead")
        await workspace.agent(OTHER)
        plan = await lead.call("create_context", name="Plan", content="Zuerst: prüfen.")
        await workspace.settle()
        here, keys = workspace.installation.id, workspace.dispatcher.shared.keys
        async with (
            serving(
                store, here, keys=keys, mcp=partial(http.serving, has_fast_path=False)
            ) as library,
            serving(store, here, keys=keys, mcp=partial(counting, taken)) as fast,
        ):
            tokens = {
                ME: await fast.token(ME, "tech-lead"),
                OTHER: await fast.token(OTHER, "observer"),
            }
            clock.stopped = True
            callers = Caller(URL(library.url)), Caller(URL(fast.url))
            yield Ways(*callers, tokens, plan["context"]["id"], library, taken)
            for each in callers:
                each.close()
            clock.stopped = False
    await store.close()


def calls_of(ways: Ways, name: str) -> Iterator[Request]:
    """Good and bad calls of a tool. One that writes has a key, so it is not done again."""
    operation = OPERATIONS[name]
    good = CALLS[name] | ({} if operation.reads_only else {"key": "k"})
    if "context_id" in good:
        good["context_id"] = ways.context_id
    bad = {each: [10**30, None, {"ä": 1e-7}] for each in (*good, "key")}
    for era in ERAS:
        yield ways.request(era, name, good)
        yield ways.request(era, name, bad)
    yield ways.request(OLDER, name, good | {"wait_s": 0})
    yield ways.request(NEWER, name, good | {"shoe_size": "43 ß \x7f"})
    yield ways.changed(NEWER, name, params={"arguments": json.dumps(good)})
    observer = {"Authorization": f"Bearer {ways.tokens[OTHER]}"}
    yield ways.changed(NEWER, name, headers=observer, params={"arguments": good})


async def test_every_tool_answers_the_same_on_both_ways(ways: Ways) -> None:
    """A call that writes is done before with its key, so that both ways give its answer."""
    for operation in OPERATIONS.values():
        if not operation.reads_only:
            given = CALLS[operation.name] | {"key": "k"}
            await ways.surface.call(ways.tokens[ME], operation.name, **given)
    requests = [each for name in OPERATIONS for each in calls_of(ways, name)]
    await ways.compare(requests)
    assert ways.taken[True] > len(requests) / 2


IDS: list[Any] = [
    *("a", "", "1", "ü🦊", "\x00\x1f\x7f\u2028", "x" * 5000, "\ud800", "a\udc00b"),
    *(0, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30, -(10**30)),
    *(None, ABSENT, True, False, 1.0, 1.5, 1e300, [], [1], {}, {"id": 1}),
]
WHAT_CLIENTS_CAN: list[Any] = [
    *(None, [], "x", {"roots": 1}, {"roots": {"listChanged": True}, "more": 1}),
    {"sampling": {"context": {}}, "extensions": {"x/y": {}}},
]
CLIENTS: list[Any] = [
    *(None, {}, {"name": "x"}, {"name": "x", "version": 1}),
    {"name": "x", "version": "1", "icons": [{"src": "x"}], "more": 1},
]
METAS: list[Any] = [
    *(ABSENT, None, [], "x", 1, {}, {VERSION: NEWER}, {CAPABILITIES: {}}),
    *(ENVELOPE | {VERSION: each} for each in (None, 1, "", OLDER, "2099-01-01")),
    *(ENVELOPE | {CAPABILITIES: each} for each in WHAT_CLIENTS_CAN),
    *(ENVELOPE | {CLIENT: each} for each in CLIENTS),
    *(ENVELOPE | {"progressToken": each} for each in (1, "p", "", True, None, 1.5)),
    *(ENVELOPE | {"progress_token": each} for each in (1, None, 1.5)),
    *(ENVELOPE | {"hubbub/key": each} for each in ("k", "", None, 1, "x" * 101, ["k"])),
    *(ENVELOPE | {"io.modelcontextprotocol/logLevel": each} for each in ("info", "loud", None)),
    ENVELOPE | {"traceparent": "00-0-0-00", "a/b": {"c": [None]}, "ü": "ü"},
    {**ENVELOPE, "io_modelcontextprotocol_client_capabilities": 1},
]
PARAMS: list[dict[str, Any]] = [
    *(
        {"name": each}
        for each in (ABSENT, None, 1, "", "list_agent", "List_agents", "ü", "x" * 999)
    ),
    {"name": "\ud800"},
    *({"arguments": each} for each in (ABSENT, None, [], 1, "", "{}", "[]", "{", '{"limit": 1}')),
    {"arguments": {"": 1}},
    {"arguments": {"limit": 10**30}},
    {"arguments": {"limit": "\ud800"}},
    {"arguments": {"capability": '["\\ud800"]'}},
    {"arguments": {"\ud800": 1}},
    {"arguments": {"wait_s": 0}},
    {"task": {"ttl": 1}},
    {"task": 1},
    {"requestState": "x"},
    {"request_state": "x"},
    {"inputResponses": {}},
    {"more": 1},
]
MESSAGES: list[dict[str, Any]] = [
    *({"jsonrpc": each} for each in (ABSENT, None, "1.0", 2.0, 2)),
    *({"method": each} for each in (ABSENT, None, 1, "", "tools/list", "tools/Call", "ping")),
    {"method": "no/such"},
    *({"params": each} for each in (ABSENT, None, [], "x", {})),
    *({"result": {}}, {"error": {"code": 1, "message": "x"}}, {"more": 1}, {"": None}),
    {"method": "notifications/cancelled", "id": ABSENT, "params": {"requestId": 1}},
]


async def test_every_form_of_a_message_gets_the_same_answer_on_both_ways(ways: Ways) -> None:
    requests = [ways.request(version) for version in KNOWN_PROTOCOL_VERSIONS]
    for era in ERAS:
        requests += [ways.changed(era, message={"id": each}) for each in IDS]
        requests += [ways.changed(era, params={"_meta": each}) for each in METAS]
        requests += [ways.changed(era, params=each) for each in PARAMS]
        requests += [ways.changed(era, message=each) for each in MESSAGES]
    await ways.compare(requests)
    assert ways.taken[True] > len(requests) / 4


def bodies(ways: Ways, era: str) -> Iterator[bytes]:
    """What is no plain JSON, though some parsers take it."""
    usual = ways.changed(era, message={"id": 7}).body
    yield b" " * (4 * 2**20 - len(usual)) + usual
    yield b" " * (4 * 2**20 - len(usual) + 1) + usual
    yield from (b"", b" ", b"null", b"[]", b"{}", b"1", b'"x"', b"[" + usual + b"]", usual[:-1])
    yield from (b" \n\t" + usual + b" \r\n", usual + b"x", usual + usual, b"\xef\xbb\xbf" + usual)
    yield from (usual.decode().encode(each) for each in ("utf-16", "utf-32", "utf-16-le"))
    yield usual.replace(b'"id": 7', b'"id": 7, "id": 8')
    yield usual.replace(b'"id": 7', b'"id": "a", "id": null')
    yield usual.replace(b'"name": ', b'"name": "get_budget", "name": ')
    yield usual.replace(b'"params": ', b'"params": {}, "params": ')
    for number in (b"NaN", b"-Infinity", b"1e400", b"01", b"-0", b"7.", b"1" * 5000, b"0x1"):
        yield usual.replace(b'"id": 7', b'"id": ' + number)
        yield usual.replace(b'"arguments": {}', b'"arguments": {"limit": ' + number + b"}")
    for text in (
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\\ud83d",
        b"\\ud83e\\udd8a",
        b"\n",
        b"\x7f",
        b"\\x",
    ):
        yield usual.replace(b'"arguments": {}', b'"arguments": {"role": "' + text + b'"}')
    for depth in (50, 190, 250, 2000):
        nested = b"[" * depth + b"]" * depth
        yield usual.replace(b'"arguments": {}', b'"arguments": {"limit": ' + nested + b"}")
    yield usual.replace(b'"arguments": {}', b'"arguments": {"role": "' + b"x" * 100_000 + b'"}')


async def test_every_body_gets_the_same_answer_on_both_ways(ways: Ways) -> None:
    requests = [
        Request(ways.headers(era, "list_agents", {}), body)
        for era in ERAS
        for body in bodies(ways, era)
    ]
    await ways.compare(requests)
    assert ways.taken[True] > len(requests) / 4


HEADERS: dict[str, list[Any]] = {
    "MCP-Protocol-Version": [
        *(ABSENT, "", "2099-01-01", "2026-7-28", "DRAFT", NEWER, OLDER, "2024-11-05"),
        *([OLDER, NEWER], [NEWER, OLDER], [NEWER, NEWER], f"{OLDER}, {NEWER}"),
    ],
    "Mcp-Method": [ABSENT, "", "tools/list", "TOOLS/CALL", ["tools/call", "tools/call"]],
    "Mcp-Name": [
        *(ABSENT, "", "get_task", "List_agents", "=?base64?bGlzdF9hZ2VudHM=?=", "=?base64?x?="),
        ["list_agents", "get_task"],
    ],
    "Mcp-Param-Limit": ["1", ["1", "2"]],
    "Mcp-Session-Id": ["x", "", "ü"],
    "Host": [
        *("localhost", "LOCALHOST:80", "[::1]:8080", "hubbub.example.com", "hubbub.example.com:1"),
        *("127.0.0.1", "127.0.0.1:*", "127.0.0.1.evil.com", "evil.com", "127.0.0.1:8080@evil.com"),
        *("evil.com:127.0.0.1", "127.0.0.1:x", ["127.0.0.1", "evil.com"]),
    ],
    "Origin": [
        *("", "null", "http://localhost", "HTTPS://Hubbub.Example.com:443", "http://evil.com"),
        *("https://127.0.0.1:8080", "http://localhost.evil.com", "ftp://localhost", "localhost"),
        ["http://localhost", "http://evil.com"],
    ],
    "Content-Type": [
        *(ABSENT, "", "text/plain", "application/jsonx", "application/json-patch+json"),
        *(
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=latin-1",
        ),
        *("application/json , x", "application/json, application/json", "application/xml"),
        ["application/json", "text/plain"],
    ],
    "Accept": [
        *(ABSENT, "", "*/*", "application/json", "text/event-stream", "application/*", "text/*"),
        *("text/html", "TEXT/HTML, Application/Json;q=0.5", "application/json;q=0", ",", "x"),
        *("text/html, */*;q=0.1", ["application/json", "text/event-stream"], ["text/html", "x"]),
    ],
    "Authorization": [
        *(ABSENT, "", "Bearer", "Bearer x", "Basic x", "Bearer ü", "Bearer hubbub_x_y"),
    ],
    "Content-Encoding": ["identity", "gzip", "", ["identity", "gzip"]],
    "Accept-Encoding": ["gzip"],
    "Expect": ["200-ok"],
    "Last-Event-Id": ["1"],
    "X-Odd": ["ü", ["1", "1"]],
}


async def test_every_header_gets_the_same_answer_on_both_ways(ways: Ways) -> None:
    requests = [
        ways.changed(era, headers={name: value})
        for era in ERAS
        for name, values in HEADERS.items()
        for value in values
    ]
    await ways.compare(requests)
    assert ways.taken[True] > len(requests) / 4


PARTS = st.fixed_dictionaries(
    {
        "era": st.sampled_from(ERAS),
        "headers": st.dictionaries(st.sampled_from(sorted(HEADERS)), st.integers(0, 9), max_size=2),
        "params": st.one_of(
            st.just({}), st.sampled_from(PARAMS), st.builds(dict, _meta=st.sampled_from(METAS))
        ),
        "message": st.one_of(
            st.just({}), st.sampled_from(MESSAGES), st.builds(dict, id=st.sampled_from(IDS))
        ),
    }
)


async def test_what_is_odd_in_several_ways_gets_the_same_answer_on_both_ways(ways: Ways) -> None:
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(PARTS)
    def draw(parts: dict[str, Any]) -> None:
        headers = {
            name: HEADERS[name][n % len(HEADERS[name])] for name, n in parts["headers"].items()
        }
        drawn.append(parts | {"headers": headers})

    draw()
    await ways.compare([ways.changed(**each) for each in drawn])
