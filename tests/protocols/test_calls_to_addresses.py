"""Everything by which Hubbub calls an address that somebody else chose: the same addresses may be
called, and none follows a redirect.
"""

import json as plain_json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.errors import Refused
from bot.plugins.requests import Requests
from bot.protocols import callback
from bot.protocols.a2a.remote import Interface, Problem, Remote
from bot.protocols.addresses import Address
from bot.protocols.link import Delivery, Link
from bot.protocols.openai import replies
from bot.protocols.openai import requests as model_requests
from bot.protocols.openai.options import Options as ModelOptions
from bot.protocols.outcomes import Delivered
from bot.protocols.outgoing import Outgoing
from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.addresses import origin
from bot.tool_servers.connections import ClientCredentials, ServerSpec, Unavailable
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.document_text import WrongDocument
from bot.tool_servers.openapi.loading import Source, load
from bot.tool_servers.openapi.options import Options
from bot.tool_servers.openapi.servers import OpenApiServers
from bot.tool_servers.openapi.service import Choice, read_service
from bot.tool_servers.openapi.tools import Given, manifest_of
from tests.support.http_service import HttpService, Reply, document, http_service, json
from tests.support.upstreams import connect

HOST = "https://tools.example.com"
KEY = "whsec_" + "a" * 32
PETS = document(("GET /pets", {"operationId": "pets"}), servers=[{"url": HOST}])


class Inner(AbstractResolver):
    """Every host is at an address inside."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        here = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [ResolveResult(**here, family=family, proto=0, flags=0)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        """Hold nothing."""


@dataclass(frozen=True)
class World:
    """`trusted`: what the operator allowed."""

    trusted: frozenset[str] = frozenset()

    @property
    def network(self) -> Network:
        return Network(self.trusted, Inner())

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(self.trusted, Inner())


# Why a call was not made or not answered. Empty: it was answered.
Surface: TypeAlias = Callable[[World, str], Awaitable[str]]


async def mcp(world: World, url: str) -> str:
    async with connect(*world.trusted, resolver=Inner()) as connected:
        return await why(connected.servers.list_tools(ServerSpec(1, "m", 1, "mcp", url)))


async def openapi_document(world: World, url: str) -> str:
    return await why(load(world.network, Source(address=url), Options()))


async def openapi_call(world: World, url: str) -> str:
    try:
        service = read_service(plain_json.dumps(PETS).encode(), url)
    except WrongDocument as exc:
        return str(exc)
    found = manifest_of(service, Choice(), Given(None))
    stored = found.model_dump(mode="json")
    spec = ServerSpec(1, "m", 1, "openapi", url, document=stored, options={})
    servers = OpenApiServers(world.network, sleep=no_pause)
    try:
        result = await servers.call_tool(spec, "pets", {}, 5, 10_000)
    except Unavailable as exc:
        return exc.text
    finally:
        await servers.close()
    return str(result.content[0]) if result.is_error else ""


async def no_pause(_: float) -> None:
    """Try again at once."""


async def access_token(world: World, url: str) -> str:
    oauth = ClientCredentials(url, "hubbub", "client-secret")
    spec = ServerSpec(1, "m", 1, "mcp", url, oauth=oauth)
    return await why(AccessTokens(world.network).headers(spec))


def delivery(url: str, options: Any) -> tuple[Any, Any]:
    row: Any = {"id": "d1", "kind": "test", "subject": "", "data": None}
    endpoint: Any = {"options": options}
    nobody: Any = type("Nobody", (), {"name": "worker"})()
    made: Any = Delivery(row, endpoint, Address(url, KEY), nobody, 10**15, None)  # type: ignore[arg-type]
    return made, row


async def called_back(world: World, url: str) -> str:
    made, _ = delivery(url, {"needs_ack": "status"})
    nothing: Any = None
    found = await callback.deliver(Link(nothing, nothing, nothing, world.outgoing), made)
    return "" if isinstance(found, Delivered) else str(getattr(found, "why", found))


async def a2a_card(world: World, url: str) -> str:
    return await why(Remote(world.outgoing, Address(f"{url}/card.json"), 10**15).read_card())


async def a2a_message(world: World, url: str) -> str:
    remote = Remote(world.outgoing, Address(url), 10**15)
    return await why(remote.call(Interface(url), "SendMessage", {}, sends=True))


async def model(world: World, url: str) -> str:
    made, _ = delivery(url, {})
    nothing: Any = None
    link = Link(nothing, nothing, nothing, world.outgoing)
    found = await model_requests.ask(link, made, ModelOptions(model="m"), [], [])
    return "" if isinstance(found, replies.Reply) else found.why


async def plugin(world: World, url: str) -> str:
    host = url.partition("://")[2].partition("/")[0]
    requests = Requests(world.trusted, Inner())
    try:
        answer = await requests.fetch({host}, {"url": url})
    except Refused as exc:
        return exc.message
    # A plug-in gets the answer that redirects, and no other.
    status: int = answer["status"]
    return f"it redirects: {status}" if status == 302 else ""


async def why(call: Awaitable[Any]) -> str:
    try:
        await call
    except Unavailable as exc:
        return exc.text
    except Problem as exc:
        return exc.why
    return ""


SURFACES: tuple[Surface, ...] = (
    mcp,
    openapi_document,
    openapi_call,
    access_token,
    called_back,
    a2a_card,
    a2a_message,
    model,
    plugin,
)
each_surface = pytest.mark.parametrize("call", SURFACES, ids=lambda each: each.__name__)


@pytest.fixture
async def service() -> AsyncIterator[HttpService]:
    async with http_service() as found:
        yield found


@each_surface
async def test_an_inner_address_is_not_called(call: Surface, service: HttpService) -> None:
    said = await call(World(), f"{HOST}/in")
    assert "address that is not" in said, said
    assert "public" in said
    port = service.origin.rpartition(":")[2]
    for url in (
        f"http://tools.example.com:{port}/in",
        f"https://127.0.0.1:{port}/in",
        f"{service.origin}/in",
        "https://127.0.0.1/in",
        "https://user@127.0.0.1/in",
    ):
        said = await call(World(), url)
        assert said, url
        # What is allowed is an origin, and nothing that only begins like it.
        assert await call(World(frozenset({f"{origin(url)}0", HOST})), url), url
    assert service.received == []
    assert service.tokens == []


def answer_to(call: Surface) -> Reply:
    """What the surface takes for an answer."""
    card = {"protocolVersion": "1.0", "protocolBinding": "JSONRPC", "url": "/"}
    bodies: dict[Surface, Any] = {
        openapi_document: PETS,
        access_token: {"access_token": "t"},
        a2a_card: {"supportedInterfaces": [card]},
        a2a_message: {"result": {}},
        model: {"choices": [{"message": {"content": "Done."}}]},
    }
    return json(bodies.get(call, {"ok": True}))


@each_surface
async def test_a_trusted_origin_is_called_and_no_redirect_of_it_is_followed(
    call: Surface, service: HttpService
) -> None:
    world = World(frozenset({service.origin}))
    service.replies.append(answer_to(call))
    said = await call(world, f"{service.origin}/in")
    assert service.received, said
    if call not in (mcp, a2a_card):
        # The first is no MCP server, and the card names another server.
        assert said == ""
    before = len(service.received)
    moved = {"Location": f"{service.origin}/secret"}
    service.replies.extend(json({}, 302, moved) for _ in range(9))
    said = await call(world, f"{service.origin}/in")
    assert "redirect" in said.lower(), said
    assert len(service.received) > before
    assert all("/secret" not in each.target for each in service.received)
