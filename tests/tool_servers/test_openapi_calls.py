"""Calls of OpenAPI services over HTTP: credentials, pace, cache, pages, faults and bounds."""

import asyncio
import base64
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from aiohttp import web

from bot.tool_servers import access_tokens
from bot.tool_servers.connections import (
    AudioPart,
    ImagePart,
    ServerSpec,
    TextPart,
    ToolResult,
    Unavailable,
)
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.options import Options, Paging
from bot.tool_servers.openapi.servers import OpenApiServers
from tests.support.http_service import (
    HttpService,
    die,
    document,
    http_service,
    in_pieces,
    json,
    never,
)

LIST = {
    "operationId": "list",
    "parameters": [
        {"name": "q", "in": "query"},
        {"name": "page", "in": "query", "schema": {"type": "integer"}},
        {"name": "cursor", "in": "query"},
    ],
}
CREATE = {"operationId": "create", "requestBody": {"content": {"application/json": {}}}}
PETS = document(
    ("GET /pets", LIST),
    ("POST /pets", CREATE),
    ("PUT /pets", {**CREATE, "operationId": "replace"}),
    ("GET /other", {"operationId": "other"}),
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
async def service() -> AsyncIterator[HttpService]:
    async with http_service() as found:
        yield found


@pytest.fixture
async def servers(service: HttpService) -> AsyncIterator[OpenApiServers]:
    made = OpenApiServers(service.network, now=service.now, sleep=service.sleep)
    yield made
    await made.close()


class Caller:
    """Calls the tools of one service."""

    def __init__(self, service: HttpService, servers: OpenApiServers) -> None:
        self.service = service
        self.servers = servers

    async def __call__(
        self,
        tool: str = "list",
        *,
        options: Options | None = None,
        timeout_s: float = 20,
        max_bytes: int = 10_000,
        spec: ServerSpec | None = None,
        **arguments: Any,
    ) -> ToolResult:
        wanted = spec or self.service.spec(PETS, options)
        return await self.servers.call_tool(wanted, tool, arguments, timeout_s, max_bytes)

    async def fails(self, tool: str = "list", **more: Any) -> Unavailable:
        with pytest.raises(Unavailable) as found:
            await self(tool, **more)
        return found.value

    @property
    def targets(self) -> list[str]:
        return [f"{each.method} {each.target}" for each in self.service.received]


@pytest.fixture
def call(service: HttpService, servers: OpenApiServers) -> Caller:
    return Caller(service, servers)


def words(result: ToolResult) -> list[str]:
    return [each.text for each in result.content if isinstance(each, TextPart)]


# --- A call --------------------------------------------------------------------------------------


async def test_a_call_sends_the_arguments_and_gives_the_answer(call: Caller) -> None:
    call.service.replies.append(json([{"name": "Rex"}]))
    result = await call(q="a b&c", page=2)
    assert result == ToolResult([TextPart('[{"name":"Rex"}]')], structured=[{"name": "Rex"}])
    (got,) = call.service.received
    assert (got.method, got.target) == ("GET", "/v1/pets?q=a%20b%26c&page=2")
    assert got.headers["User-Agent"] == "hubbub"
    assert got.body == b""


async def test_tools_are_listed_if_the_service_answers(call: Caller) -> None:
    spec = call.service.spec(PETS, headers={"X-Key": "k"})
    flood = web.Response(body=bytes(5_000_000))
    call.service.replies.extend([json({}), json({}, 401), json({}, 500), flood])
    for _ in range(4):
        names = [each.name for each in await call.servers.list_tools(spec)]
        assert names == ["list", "create", "replace", "other"]
    assert call.targets == ["GET /v1"] * 4
    assert call.service.received[0].headers["X-Key"] == "k"
    # aiohttp repeats a request by itself if a connection that it kept has ended.
    for replies, why in (([json({}, 503)], "status 503"), ([die, die], "it closed the connection")):
        call.service.replies.extend(replies)
        with pytest.raises(Unavailable, match=why):
            await call.servers.list_tools(spec)


async def test_connections_are_reused_and_closed_when_the_server_is_dropped(call: Caller) -> None:
    ports = set()

    async def note_port(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return json({})

    for _ in range(3):
        call.service.replies.append(note_port)
        await call()
    assert len(ports) == 1
    await call.servers.drop(1, "m_1")
    call.service.replies.append(note_port)
    await call()
    assert len(ports) == 2


async def test_a_wrong_argument_is_an_error_and_nothing_is_sent(call: Caller) -> None:
    result = await call(q=[["a"]])
    assert result.is_error
    text = "`q` has a list or object inside, which this parameter cannot carry. Nothing was sent."
    assert words(result) == [text]
    assert call.service.received == []


async def test_an_unknown_tool_and_a_broken_document_are_errors(call: Caller) -> None:
    failure = await call.fails("nothing")
    assert (failure.kind, failure.sent) == ("refused", False)
    assert failure.text == "The document of the service has no tool 'nothing'."
    broken = ServerSpec(1, "m_2", 1, "openapi", "https://a.example", document={"tools": 1})
    assert (await call.fails(spec=broken)).text == (
        "Its stored document cannot be read. Refresh it."
    )


async def test_an_address_that_is_not_public_is_not_called(service: HttpService) -> None:
    for network in (Network(), Network(trusted=["http://other.example"])):
        servers = OpenApiServers(network)
        with pytest.raises(Unavailable, match="The address cannot be used") as found:
            await servers.call_tool(service.spec(PETS), "list", {}, 5, 1000)
        assert found.value.kind == "refused"
        await servers.close()
    assert service.received == []


async def test_a_service_that_is_not_there_is_unreachable(call: Caller) -> None:
    spec = call.service.spec(PETS)
    assert spec.document is not None
    gone = ServerSpec(
        *(1, "m_3", 1, "openapi", ""),
        document={**spec.document, "base_url": "http://127.0.0.1:9"},
        options=spec.options,
    )
    servers = OpenApiServers(Network(trusted=["http://127.0.0.1:9"]), sleep=call.service.sleep)
    with pytest.raises(Unavailable) as found:
        await servers.call_tool(gone, "create", {"body": {}}, 5, 1000)
    await servers.close()
    assert (found.value.kind, found.value.sent) == ("unreachable", False)
    assert found.value.text == "It was not reached: the connection was refused."
    # Nothing was sent, so a POST is tried again too.
    assert call.service.slept == [0.2, 1.0]


# --- Credentials ---------------------------------------------------------------------------------


async def test_the_credential_is_sent_and_no_argument_replaces_it(call: Caller) -> None:
    parameters = [{"name": "X-Key", "in": "header"}, {"name": "sid", "in": "cookie"}]
    data = document(("GET /a", {"operationId": "a", "parameters": parameters}))
    spec = call.service.spec(
        data, headers={"x-key": "right-key", "Cookie": "key=1"}, query={"api key": "s&1"}
    )
    arguments: Any = {"X-Key": "wrong", "sid": "2"}
    await call("a", spec=spec, **arguments)
    (got,) = call.service.received
    assert got.target == "/v1/a?api%20key=s%261"
    assert {name.lower(): value for name, value in got.headers.items()}["x-key"] == "right-key"
    assert got.headers["Cookie"] == "key=1; sid=2"


async def test_a_token_is_kept_and_renewed_when_it_is_refused(call: Caller) -> None:
    spec = call.service.spec(PETS, oauth=call.service.oauth)
    for _ in range(2):
        await call(spec=spec)
    call.service.replies.append(json({}, 401))
    assert (await call("create", spec=spec, body={})).structured == {"ok": True}
    sent = [each.headers["Authorization"] for each in call.service.received]
    assert sent == [*["Bearer token-1"] * 3, "Bearer token-2"]
    assert call.service.tokens[0] == {
        "grant_type": "client_credentials",
        "client_id": "hubbub",
        "client_secret": "client-secret",
        "scope": "read",
    }


async def test_a_token_that_arrives_in_pieces_is_read(call: Caller) -> None:
    call.service.token_replies.append(in_pieces(b'{"access_token": "slow", "expires_in": 60}'))
    await call(spec=call.service.spec(PETS, oauth=call.service.oauth))
    assert call.service.received[0].headers["Authorization"] == "Bearer slow"


async def test_a_token_that_is_too_large_is_not_read(call: Caller) -> None:
    token = "x" * access_tokens.MOST_READ
    call.service.token_replies.append(json({"access_token": token}))
    failure = await call.fails(spec=call.service.spec(PETS, oauth=call.service.oauth))
    assert (failure.kind, failure.text) == (
        "too_large",
        "The server for access tokens answered with more than 65536 bytes. Check `token_url`.",
    )
    assert not call.service.received


async def test_a_credential_that_is_refused_is_said(call: Caller) -> None:
    call.service.replies.append(json({}, 401))
    failure = await call.fails()
    assert (failure.kind, failure.sent) == ("unauthorized", False)
    assert failure.text == "It refused the credential (status 401). A person must change it."
    await call.servers.drop(1, "m_1")
    call.service.replies.extend([json({}, 401), json({}, 401)])
    spec = call.service.spec(PETS, oauth=call.service.oauth)
    assert (await call.fails(spec=spec)).kind == "unauthorized"
    assert len(call.service.received) == 3


async def test_the_credential_does_not_come_back(call: Caller) -> None:
    spec = call.service.spec(
        PETS, headers={"Authorization": "Bearer secret-token"}, query={"key": "other-secret"}
    )
    assert "secret-token" not in repr(spec)
    call.service.replies.append(json({"you sent": "Bearer secret-token", "key": "other-secret"}))
    result = await call(spec=spec)
    assert result.structured == {"you sent": "***", "key": "***"}
    call.service.replies.append(web.Response(status=400, text="bad key other-secret"))
    assert words(await call(spec=spec)) == [
        "The service answered with status 400 (Bad Request): bad key ***"
    ]


# --- Errors of the service -----------------------------------------------------------------------


async def test_an_error_of_the_service_has_its_status_and_the_start_of_its_body(
    call: Caller,
) -> None:
    call.service.replies.append(json({"message": "no such pet"}, 404))
    result = await call("create", body={})
    assert result.is_error
    assert words(result) == [
        'The service answered with status 404 (Not Found): {"message":"no such pet"}'
    ]
    call.service.replies.append(web.Response(status=500, text="x\n" * 50_000))
    (text,) = words(await call())
    assert len(text) < 700
    call.service.replies.append(web.Response(status=418, body=b"\0\1", content_type="image/png"))
    text = "The service answered with status 418 (I'm a Teapot), without a reason."
    assert words(await call()) == [text]
    call.service.replies.append(web.Response(status=599))
    assert words(await call()) == ["The service answered with status 599, without a reason."]


async def test_redirects_are_not_followed(call: Caller) -> None:
    inner = "http://169.254.169.254/latest"
    call.service.replies.append(web.Response(status=302, headers={"Location": inner}))
    result = await call()
    assert result.is_error
    assert words(result) == [
        (
            f"The service answered with status 302 (Found) and sends to {inner}. Redirects are not "
            "followed."
        )
    ]
    assert len(call.service.received) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_safe_call_is_repeated_while_the_service_is_away(call: Caller, status: int) -> None:
    call.service.replies.extend([json({}, status), json({}, status)])
    assert (await call()).structured == {"ok": True}
    assert call.service.slept == [0.2, 1.0]
    call.service.replies.extend(json({}, status) for _ in range(3))
    failure = await call.fails("replace", body={})
    assert (failure.kind, failure.sent) == ("unreachable", True)
    assert failure.text == (f"It answered with status {status}: it is not available at the moment.")


async def test_a_call_that_may_have_had_an_effect_is_not_repeated(call: Caller) -> None:
    for reply in (json({}, 503), die):
        call.service.replies.append(reply)
        failure = await call.fails("create", body={})
        assert (failure.kind, failure.sent) == ("unreachable", True)
    assert len(call.service.received) == 2


async def test_a_safe_call_is_repeated_when_the_connection_ends(call: Caller) -> None:
    call.service.replies.append(die)
    assert (await call()).structured == {"ok": True}


async def test_a_service_that_never_answers_is_left(call: Caller) -> None:
    timeout_s = 0.05
    # On a busy machine the time may end before the call has left.
    while not call.service.received:
        call.service.replies.append(never)
        timeout_s *= 2
        failure = await call.fails(timeout_s=timeout_s)
    assert (failure.kind, failure.sent) == ("timeout", True)
    assert failure.text == f"It did not answer within {timeout_s:g} s."


async def test_a_change_of_the_server_during_a_call_is_an_error(call: Caller) -> None:
    call.service.replies.append(never)
    task = asyncio.create_task(call.fails("create", body={}))
    await call.service.has_received.wait()
    await call.servers.drop(1, "m_1")
    assert (await task).kind == "unreachable"


# --- Pace ----------------------------------------------------------------------------------------


async def test_a_service_that_asks_to_wait_is_left_alone(call: Caller) -> None:
    call.service.replies.append(json({}, 429, {"Retry-After": "60"}))
    failure = await call.fails("create", body={})
    assert (failure.kind, failure.sent, failure.retry_after_s) == ("rate_limited", False, 60)
    assert failure.text == "It takes no more calls at the moment. Try again in 60 s."
    assert (await call.fails()).retry_after_s == 60
    assert len(call.service.received) == 1
    call.service.time += 60
    assert (await call()).structured == {"ok": True}


async def test_a_short_wait_is_waited(call: Caller) -> None:
    call.service.replies.append(json({}, 429, {"Retry-After": "2"}))
    assert (await call("create", body={})).structured == {"ok": True}
    assert sum(call.service.slept) == 2
    call.service.replies.append(json({}, 503, {"Retry-After": "3"}))
    assert (await call()).structured == {"ok": True}
    assert sum(call.service.slept) == 5
    call.service.replies.append(json({}, 503, {"Retry-After": "30"}))
    assert (await call.fails()).retry_after_s == 30


async def test_requests_a_minute_are_bounded(call: Caller) -> None:
    options = Options(requests_a_minute=30)
    # A burst of three more, then one each two seconds.
    for _ in range(4):
        await call(options=options)
    assert call.service.slept == []
    await asyncio.gather(*(call(options=options) for _ in range(2)))
    assert call.service.slept == [2, 2]
    for _ in range(2):
        await call(options=options)
    assert len(call.service.received) == 8
    assert 6 <= call.service.time - 1000 <= 10


# --- Cache ---------------------------------------------------------------------------------------


async def test_an_answer_is_kept_for_a_while(call: Caller) -> None:
    options = Options(cache_s=60)
    call.service.replies.extend([json({"n": 1}), json({"n": 2}), json({"n": 3})])
    assert (await call(options=options)).structured == {"n": 1}
    assert (await call(options=options)).structured == {"n": 1}
    assert (await call(options=options, q="x")).structured == {"n": 2}
    call.service.time += 61
    assert (await call(options=options)).structured == {"n": 3}
    assert len(call.service.received) == 3


async def test_a_call_that_changes_something_is_not_kept(call: Caller) -> None:
    options = Options(cache_s=60)
    for _ in range(2):
        await call("create", options=options, body={})
    call.service.replies.extend(
        [json({"n": 1}, headers={"Cache-Control": "no-store"}), json({"n": 2})]
    )
    assert (await call(options=options)).structured == {"n": 1}
    assert (await call(options=options)).structured == {"n": 2}
    assert len(call.service.received) == 4


async def test_an_answer_that_has_not_changed_is_not_sent_again(call: Caller) -> None:
    call.service.replies.append(json({"n": 1}, headers={"ETag": '"a"'}))
    await call()
    call.service.replies.append(web.Response(status=304))
    assert (await call()).structured == {"n": 1}
    call.service.replies.append(json({"n": 2}, headers={"ETag": '"b"'}))
    assert (await call()).structured == {"n": 2}
    conditions = [each.headers.get("If-None-Match") for each in call.service.received]
    assert conditions == [None, '"a"', '"a"']


async def test_nothing_is_kept_across_servers_and_changes(call: Caller) -> None:
    options = Options(cache_s=60)
    await call(options=options)
    await call.servers.drop(1, "m_1")
    await call(options=options)
    assert len(call.service.received) == 2


# --- Pages ---------------------------------------------------------------------------------------


async def test_pages_are_joined_by_their_links(call: Caller) -> None:
    options = Options(paging=Paging(by="link"))
    for n in (2, 3):
        link = f'<{call.service.origin}/v1/pets?page={n}&x=%20>; rel="next", <{n}>; rel=last'
        call.service.replies.append(json([n - 1], headers={"Link": link}))
    result = await call(options=options, pages=2)
    assert result.structured == [1, 2]
    assert words(result)[1:] == [
        "2 pages are joined.",
        "There are more pages: pass pages=3 or more.",
    ]
    assert call.targets == ["GET /v1/pets", "GET /v1/pets?page=2&x=%20"]


@pytest.mark.parametrize(
    "link", ["<https://evil.example/>; rel=next", "<//evil.example/>; rel=next", "<x y>; rel=next"]
)
async def test_the_credential_does_not_follow_a_link_elsewhere(call: Caller, link: str) -> None:
    call.service.replies.append(json([1], headers={"Link": link}))
    options = Options(paging=Paging(by="link"))
    result = await call(options=options, pages=5)
    assert (result.structured, result.truncated) == ([1], True)
    assert words(result)[-1].startswith("There is a next page at another address, to which no ")
    assert len(call.service.received) == 1


async def test_pages_are_joined_by_a_cursor(call: Caller) -> None:
    paging = Paging(by="cursor", parameter="cursor", next="meta.next", items="data.pets")
    call.service.replies.extend(
        json({"data": {"pets": [n]}, "meta": {"next": cursor}})
        for n, cursor in ((1, "a/b"), (2, "c"), (3, None))
    )
    result = await call(options=Options(paging=paging), pages=10, q="x")
    assert result.structured == {"data": {"pets": [1, 2, 3]}, "meta": {"next": "a/b"}}
    assert words(result)[1:] == ["3 pages are joined."]
    assert call.targets[1:] == ["GET /v1/pets?q=x&cursor=a%2Fb", "GET /v1/pets?q=x&cursor=c"]


async def test_a_cursor_that_repeats_ends_the_pages(call: Caller) -> None:
    paging = Paging(by="cursor", parameter="cursor", next="next")
    call.service.replies.extend(json({"next": "same", "pets": [n]}) for n in range(5))
    result = await call(options=Options(paging=paging), pages=20)
    assert result.structured == {"next": "same", "pets": [0, 1]}
    assert result.truncated
    assert words(result)[-1] == (
        "The service names a page again that was read, so there may be more entries."
    )


@pytest.mark.parametrize("by", ["page", "cursor"])
async def test_a_service_that_ignores_which_page_is_asked_for_is_read_once(
    call: Caller, by: Literal["page", "cursor"]
) -> None:
    """Joined, its first page would stand there as often as pages were asked for."""
    paging = Paging(by=by, parameter=by, next="next")
    call.service.replies.extend(json({"next": f"n{n}", "pets": [1, 2]}) for n in range(20))
    result = await call(options=Options(paging=paging), pages=20)
    assert (result.structured["pets"], result.truncated) == ([1, 2], True)
    assert len(call.service.received) == 2
    assert words(result)[-1].startswith("The next page has the same entries as the one before")


async def test_pages_are_joined_by_their_numbers(call: Caller) -> None:
    options = Options(paging=Paging(by="page", parameter="page"))
    call.service.replies.extend([json([1]), json([2]), json([])])
    result = await call(options=options, pages=5, page=3, q="page=9")
    assert result.structured == [1, 2]
    assert [each.partition("?")[2] for each in call.targets] == [
        "q=page%3D9&page=3",
        "q=page%3D9&page=4",
        "q=page%3D9&page=5",
    ]


async def test_a_page_that_fails_leaves_those_before(call: Caller) -> None:
    options = Options(paging=Paging(by="page", parameter="page"))
    call.service.replies.extend([json([1]), json({}, 404)])
    result = await call(options=options, pages=5)
    assert (result.structured, result.truncated) == ([1], True)
    assert words(result)[1:] == ["The next page could not be read: status 404."]
    call.service.replies.extend([json([1]), json({}, 401)])
    result = await call(options=options, pages=5)
    assert words(result)[1].startswith("The next page could not be read: It refused the credential")


async def test_an_answer_without_a_list_stays_as_it_is(call: Caller) -> None:
    options = Options(paging=Paging(by="link"))
    call.service.replies.append(json({"a": [1], "b": [2]}))
    assert (await call(options=options, pages=5)).structured == {"a": [1], "b": [2]}
    call.service.replies.append(json({"a": [1]}, 400))
    assert (await call(options=options, pages=5)).is_error
    tools = {
        each.name: each for each in await call.servers.list_tools(call.service.spec(PETS, options))
    }
    assert "pages" in tools["list"].input_schema["properties"]
    assert "pages" not in tools["other"].input_schema["properties"]


# --- Content and bounds --------------------------------------------------------------------------


async def test_compressed_answers_are_read(call: Caller) -> None:
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        call.service.replies.append(
            web.Response(
                body=pack(b'{"a": 1}'),
                content_type="application/json",
                headers={"Content-Encoding": encoding},
            )
        )
        assert (await call()).structured == {"a": 1}


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "why"),
    [
        (gzip.compress(bytes(100_000_000), 1), "gzip", "too_large", "is larger than 4 MB"),
        (bytes(5_000_000), "identity", "too_large", "is larger than 4 MB"),
        (b"not gzip", "gzip", "protocol", "cannot be decompressed"),
        (b"x", "br", "protocol", "has the unknown compression 'br'"),
    ],
)
async def test_a_bomb_a_flood_and_unknown_bytes_are_errors(
    call: Caller, body: bytes, encoding: str, kind: str, why: str
) -> None:
    call.service.replies.append(web.Response(body=body, headers={"Content-Encoding": encoding}))
    failure = await call.fails()
    assert (failure.kind, failure.sent) == (kind, True)
    assert why in failure.text
    assert (await call()).structured == {"ok": True}


async def test_a_flood_without_an_end_is_left(call: Caller) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))

    call.service.replies += [flood, flood]
    assert (await call.fails()).kind == "too_large"
    # What was asked for was done, so nobody should ask again.
    done = await call("create", body={})
    assert (done.is_error, done.truncated) == (False, True)
    words = "Done: status 200. The answer is larger than 4 MB, so it was not read."
    assert done.content == [TextPart(f"{words} Do not repeat the call for it.")]


async def test_a_long_list_loses_its_end(call: Caller) -> None:
    call.service.replies.append(json({"total": 1000, "pets": [{"n": n} for n in range(1000)]}))
    result = await call(max_bytes=1000)
    assert result.truncated
    assert result.structured["total"] == 1000
    kept = len(result.structured["pets"])
    assert words(result)[1] == f"`pets` has 1000 entries; only the first {kept} are shown."
    assert sum(map(len, words(result))) <= 1000
    call.service.replies.append(json(["é" * 10] * 1000))
    result = await call(max_bytes=1000)
    assert sum(len(each.encode()) for each in words(result)) <= 1000
    call.service.replies.append(json({"text": "x" * 5000}))
    result = await call(max_bytes=1000)
    assert (result.structured, result.truncated, len(words(result)[0])) == (None, True, 1000)


async def test_each_type_of_content_is_given_as_what_it_is(call: Caller) -> None:
    async def result(body: bytes, kind: str, max_bytes: int = 10_000) -> ToolResult:
        call.service.replies.append(web.Response(body=body, headers={"Content-Type": kind}))
        return await call(max_bytes=max_bytes)

    made = await result("Grüße".encode("latin-1"), "text/plain; charset=iso-8859-1")
    assert made == ToolResult([TextPart("Grüße")])
    made = await result(b"a,b", "text/csv; charset=rot13")
    assert made == ToolResult([TextPart("a,b")])
    made = await result(b"<a>" * 1000, "application/atom+xml", 300)
    assert (len(words(made)[0]), made.truncated) == (300, True)
    made = await result(PNG, "image/png")
    assert made == ToolResult([ImagePart(base64.b64encode(PNG).decode(), "image/png")])
    made = await result(b"OggS", "audio/ogg")
    assert made == ToolResult([AudioPart(base64.b64encode(b"OggS").decode(), "audio/ogg")])
    for body, kind in ((b"<html>", "image/png"), (b"%PDF", "application/pdf")):
        text = f"The service answered with {kind} of {len(body)} bytes, which is not shown."
        assert await result(body, kind) == ToolResult([TextPart(text)], truncated=True)
    made = await result(b"{no json", "application/json")
    assert made == ToolResult([TextPart("{no json")])
    made = await result(b"[" * 5000, "application/json")
    assert (words(made)[0][:3], made.structured) == ("[[[", None)


async def test_an_answer_without_content_is_said(call: Caller) -> None:
    call.service.replies.append(web.Response(status=204))
    assert words(await call("create", body={})) == ["Done: status 204, without content."]
