"""MCP over standard input and output: each request gets an answer, also at the end of the input.

The engine plays no part, so these tests run on SQLite alone.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web  # noqa: TID251 - what stands between a bridge and Hubbub is a server
from aiohttp.test_utils import RawTestServer
from mcp.shared.inbound import encode_header_value
from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCMessage

from bot.identity.keyring import Keys
from bot.operations import OPERATIONS
from mcp_server.forwarded_messages import VERSION, WITHOUT_KEY, Events, headers, with_key
from mcp_server.messages import read_line
from mcp_server.tool_answers import KEY_META
from store.engine.database import open_store
from store.engine.transaction import Store
from tests.support.api_keys import add_api_key
from tests.support.mcp_clients import bridged
from tests.support.server_in_process import Surface, serving
from tests.support.server_process import SECRET, environment, settings

INSTALLATION = 4711
# Less than a call may wait.
END_S = 40
FIRST: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]


def request(request_id: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def answers(line: str) -> list[tuple[Any, int]]:
    """The id and the code of each error that answers the line."""
    found = read_line(line)
    assert isinstance(found, list), found
    return [(each.id, each.error.code) for each in found]


READ = '{"jsonrpc": "2.0", "id": 9, "method": "ping"'


# A line, and the id and code of each error that answers it.
LINES: dict[str, tuple[str, list[tuple[Any, int]]]] = {
    "half a pair": (READ + r', "params": {"a": "\ud83d"}}', [(9, PARSE_ERROR)]),
    "half a pair in a name": (
        READ + r', "params": {"id": 4, "\ude00": [{"id": 5}]}}',
        [(9, PARSE_ERROR)],
    ),
    "no UTF-8": (READ + ', "params": {"a": "\udcff"}}', [(9, PARSE_ERROR)]),
    "cut off": (READ + ', "params": {"na', [(9, PARSE_ERROR)]),
    "too deep": (READ + ', "params": {"a": ' + "[" * 100_000, [(9, PARSE_ERROR)]),
    "a long number": (READ + ', "params": {"a": ' + "9" * 5000 + "}}", [(9, PARSE_ERROR)]),
    "a raw tab": (READ + ', "params": {"a": "\t"}}', [(9, PARSE_ERROR)]),
    "params in a list": (READ + ', "params": [1]}', [(9, INVALID_REQUEST)]),
    "no version": ('{"id": "a", "method": "ping"}', [("a", INVALID_REQUEST)]),
    "no method": ('{"jsonrpc": "2.0", "id": 9}', [(9, INVALID_REQUEST)]),
    "a number as method": ('{"jsonrpc": "2.0", "id": 9, "method": 7}', [(9, INVALID_REQUEST)]),
    "nothing": ("{}", [(None, INVALID_REQUEST)]),
    "id null": ('{"jsonrpc": "2.0", "id": null, "method": "x"}', [(None, INVALID_REQUEST)]),
    "id 1.5": ('{"jsonrpc": "2.0", "id": 1.5, "method": "x"}', [(None, INVALID_REQUEST)]),
    "id true": ('{"id": true, "method": "x", "params": 7}', [(None, INVALID_REQUEST)]),
    "half a pair as id": (r'{"id": "\ud83d", "method": "x"}', [(None, PARSE_ERROR)]),
    "a batch": (f"[{READ}}}, {READ}}}]", [(9, INVALID_REQUEST), (9, INVALID_REQUEST)]),
    "an empty batch": ("[]", [(None, INVALID_REQUEST)]),
    # Noise, notifications and answers get none.
    "an empty line": ("", []),
    "noise": ("npm warn deprecated", []),
    "a notification": ('{"jsonrpc": "2.0", "method": "notifications/x", "params": 7}', []),
    "an answer": ('{"jsonrpc": "2.0", "id": 9, "result": 7}', []),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_a_request_that_cannot_be_read_is_answered_by_its_id(
    line: str, expected: list[tuple[Any, int]]
) -> None:
    assert answers(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        READ + "}",
        READ + r', "params": {"a": "\ud83d\ude00"}}',
        '{"jsonrpc": "2.0", "method": "notifications/x"}',
        '{"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "x"}}',
    ],
    ids=["request", "whole pair", "notification", "answer"],
)
def test_other_messages_are_passed_on(line: str) -> None:
    assert isinstance(read_line(line), JSONRPCMessage)


def test_a_text_that_was_cut_is_said_to_be_cut() -> None:
    found = read_line(READ + r', "params": {"a": "\ud83d"}}')
    assert isinstance(found, list)
    (error,) = found
    assert "half of a surrogate pair" in error.error.message


# --- In a process ---------------------------------------------------------------------------------


@asynccontextmanager
async def server_of(way: str, store: Store, url: str) -> AsyncIterator[dict[str, str]]:
    """The settings of `hubbub mcp` for the agent ada."""
    async with serving(store, INSTALLATION) as surface:
        token = await surface.token("ada")
        await surface.call(token, "register_agent", agent_id="ada", name="Ada")
        if way == "bridge":
            # No proxy is asked for a server on this machine.
            away = {"http_proxy": "http://127.0.0.1:9"}
            yield away | {"HUBBUB_URL": surface.url, "HUBBUB_TOKEN": token}
            return
        keys = Keys(SECRET)
        own = await store.write(lambda tx: add_api_key(tx, keys, INSTALLATION, "ada", "developer"))
        yield settings(url) | {"HUBBUB_TOKEN": own}


async def talk(given: dict[str, str], folder: Path, lines: list[bytes]) -> list[dict[str, Any]]:
    """What `hubbub mcp` answers to the lines and the end of the input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "mcp"),
        env=environment(given),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(END_S):
            out, _ = await process.communicate(b"".join(each + b"\n" for each in lines))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("way", ["database", "bridge"])
async def test_everything_asked_before_the_end_of_the_input_is_answered(
    tmp_path: Path, sqlite_url: str, way: str
) -> None:
    store = await open_store(sqlite_url)
    async with server_of(way, store, sqlite_url) as given:
        sent = [request(n, "send_message", to="ada", body=str(n)) for n in (1, 2, 3)]
        waits = request(4, "wait_for_events", topics=["agents"], wait_s=50)
        # Some models send the arguments as JSON in a string.
        sent[2]["params"]["arguments"] = json.dumps(sent[2]["params"]["arguments"])
        messages = [*FIRST, *sent, waits]
        lines = [json.dumps(each).encode() for each in messages]
        cut = json.dumps(request("cut", "send_message", to="ada", body="\ud83d")).encode()
        found = await talk(given, tmp_path, [b"\xef\xbb\xbf" + lines[0], *lines[1:], b"noise", cut])
    by_id = {each["id"]: each for each in found}
    assert by_id.keys() == {0, 1, 2, 3, 4, "cut"}
    assert {n for n, each in by_id.items() if "error" in each} == {"cut"}
    q = "SELECT body FROM messages WHERE installation_id = :i ORDER BY body"
    assert by_id[4]["result"]["structuredContent"]["events"] == []
    rows = await store.read(lambda tx: tx.all(q, i=INSTALLATION))
    assert [row["body"] for row in rows] == ["1", "2", "3"]
    await store.close()


# --- Through a connection that breaks -------------------------------------------------------------


@asynccontextmanager
async def losing_answers(surface: Surface, n: int) -> AsyncIterator[str]:
    """The address of a proxy that loses the answers to the first `n` calls."""
    calls = 0

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal calls
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        where = surface.url + request.path
        async with surface.client.request(request.method, where, data=body, headers=headers) as got:
            data = await got.read()
            calls += b"tools/call" in body
            if b"tools/call" in body and calls <= n:
                assert request.transport is not None
                request.transport.abort()
            kind = {"Content-Type": got.headers.get("Content-Type", "")}
            return web.Response(status=got.status, body=data, headers=kind)

    async with RawTestServer(forward) as proxy:
        yield str(proxy.make_url("")).rstrip("/")


@pytest.mark.parametrize(("lost", "expected"), [(1, "message_id"), (2, "error")])
async def test_a_bridge_repeats_a_call_whose_answer_was_lost_and_it_is_done_once(
    sqlite_url: str, lost: int, expected: str
) -> None:
    store = await open_store(sqlite_url)
    async with serving(store, INSTALLATION) as surface, losing_answers(surface, lost) as url:
        token = await surface.token("ada")
        await surface.call(token, "register_agent", agent_id="ada", name="Ada")
        _, called = await bridged(
            url, token, *FIRST, request(1, "send_message", to="ada", body="x")
        )
        assert expected in called["result"]["structuredContent"]
        assert len(await surface.rows("SELECT id FROM messages WHERE installation_id = :i")) == 1
    await store.close()


@pytest.mark.parametrize(
    ("token", "code"), [("nobodys", "unauthenticated"), ("", "unauthenticated")]
)
async def test_a_bridge_says_in_each_answer_that_the_token_is_unknown(
    sqlite_url: str, token: str, code: str
) -> None:
    store = await open_store(sqlite_url)
    async with serving(store, INSTALLATION) as surface:
        called, listed = await bridged(
            surface.url,
            token,
            request(1, "list_tasks"),
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        )
    assert called["result"]["isError"]
    assert called["result"]["structuredContent"]["error"]["code"] == code
    assert listed["error"]["data"]["error"]["code"] == code
    await store.close()


async def test_a_bridge_without_a_server_answers_a_call_at_once() -> None:
    (called,) = await bridged("http://127.0.0.1:9", "x", request("a", "list_tasks"))
    assert called["id"] == "a"
    assert called["result"]["structuredContent"]["error"]["code"] == "unavailable"


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": 502, "message": "Bad Gateway"}}',
        '{"error": {"message": "no upstream"}}',
        '{"jsonrpc": "2.0", "id": 0, "result": null}',
        "[]",
    ],
)
async def test_a_bridge_answers_each_request_although_a_gateway_answers_for_the_server(
    body: str,
) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=502, text=body, content_type="application/json")

    async with RawTestServer(answer) as gateway, asyncio.timeout(END_S):
        url = str(gateway.make_url("")).rstrip("/")
        found = await bridged(url, "x", FIRST[0], request(1, "list_tasks"))
    assert [each["id"] for each in found] == [0, 1]


async def test_a_bridge_answers_no_call_that_the_client_cancelled(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    async with serving(store, INSTALLATION) as surface:
        token = await surface.token("ada")
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": "1"}}
        waits = request(1, "wait_for_events", topics=["agents"], wait_s=50)
        async with asyncio.timeout(END_S):
            assert await bridged(surface.url, token, waits, {"jsonrpc": "2.0", **cancelled}) == []
    await store.close()


async def test_a_client_that_starts_before_its_server_waits_for_it(
    unused_tcp_port: int,
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sent = await request.json()
        result = {"protocolVersion": "2025-06-18"}
        return web.json_response({"jsonrpc": "2.0", "id": sent["id"], "result": result})

    url = f"http://127.0.0.1:{unused_tcp_port}"
    starting = asyncio.create_task(bridged(url, "x", *FIRST))
    # A refused connection is reported at once.
    done, _ = await asyncio.wait([starting], timeout=0.3)
    assert not done
    async with RawTestServer(answer, port=unused_tcp_port), asyncio.timeout(END_S):
        (found,) = await starting
    assert found["result"] == {"protocolVersion": "2025-06-18"}


# --- What a bridge sends --------------------------------------------------------------------------


def test_a_bridge_gives_a_key_to_each_call_whose_answer_is_kept() -> None:
    assert {name for name, each in OPERATIONS.items() if each.quiet} == WITHOUT_KEY
    keyed = with_key(request(1, "send_message"))
    assert keyed["params"]["_meta"][KEY_META]
    assert with_key(keyed) == keyed
    assert with_key(request(1, "get_messages")) == request(1, "get_messages")


@pytest.mark.parametrize("name", ["list_tasks", "", " x", "naïve", "=?base64?eA==?=", "a b"])
def test_a_bridge_writes_headers_as_the_library_does(name: str) -> None:
    sent = request(1, name)
    sent["params"]["_meta"] = {VERSION: "2026-07-28"}
    assert headers(sent, None) == {
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": encode_header_value(name),
    }


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_is_read_in_parts_of_any_size(size: int) -> None:
    stream = ': ping\r\n\r\nevent: message\ndata: {"a":\ndata: "é"}\n\ndata:\n\ndata: 2\r\n\r\n'
    whole, events = stream.encode(), Events()
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert [each for part in parts for each in events.messages(part)] == [{"a": "é"}, 2]
