"""Hubbub's server on loopback, without its background loops."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bot.dispatch.dispatcher import Dispatcher
from bot.files.texts import FileTexts
from bot.identity.keyring import Keys
from bot.identity.revocations import LOOK_EVERY_S
from bot.identity.server_address import LOOPBACK
from bot.identity.tokens import Tokens, Verifier
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from bot.plugins.running import Plugins
from mcp_server import http
from store.engine.transaction import Store
from store.tables.agents import Role
from tests.support.api_keys import add_api_key
from tests.support.server_process import WEBHOOK_SECRET, signed_headers
from webhooks.addresses import LOCAL, Addresses
from webhooks.app import create_app
from webhooks.bodies import BODIES, Bodies
from webhooks.client_address import NO_PROXIES, Proxies
from webhooks.connection import Patience
from webhooks.login import Login
from webhooks.mcp import MCP
from webhooks.monitoring import Monitoring
from webhooks.oauth.server import OAuthServer
from webhooks.sockets import SOCKETS, Sockets


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    data: Any

    @property
    def code(self) -> str:
        """The code of an error. Fail unless the error has exactly the documented fields."""
        assert self.data.keys() == {"error"}
        error = self.data["error"]
        assert error.keys() == {"code", "message", "details"}
        assert error["message"]
        assert isinstance(error["details"], dict)
        return str(error["code"])


@dataclass
class Surface:
    dispatcher: Dispatcher
    sockets: Sockets
    url: str
    client: aiohttp.ClientSession
    installation_id: int
    server: TestServer
    # The problems that /readyz reports.
    problems: dict[str, str] = field(default_factory=dict)
    # The problems that /healthz reports.
    dead: dict[str, str] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=Bodies)

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        assert self.server.runner is not None
        assert self.server.runner.server is not None
        return sum(each.connected for each in self.server.runner.server.connections)

    @property
    def store(self) -> Store:
        return self.dispatcher.store

    async def send(self, method: str, path: str, **given: Any) -> Answer:
        async with self.client.request(method, self.url + path, **given) as response:
            body = await response.read()
            is_json = response.content_type == "application/json"
            data = json.loads(body) if is_json and body else body.decode()
            return Answer(response.status, response.headers, data)

    async def token(self, agent_id: str = "ada", role: Role = "developer") -> str:
        i, keys = self.installation_id, self.dispatcher.shared.keys
        return await self.store.write(lambda tx: add_api_key(tx, keys, i, agent_id, role))

    async def call(self, token: str, operation: str, **arguments: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.send("POST", f"/api/v1/{operation}", json=arguments, headers=headers)

    async def deliver(
        self, payload: Any, *, body: bytes | None = None, **changed: str | None
    ) -> Answer:
        """Post a delivery. `changed`: headers by name, with `_` for `-`; None leaves one out."""
        body = json.dumps(payload).encode() if body is None else body
        return await self.send(
            "POST", "/webhooks/github", data=body, headers=_headers(body, changed)
        )

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        return await self.store.read(lambda tx: tx.all(sql, i=self.installation_id, **params))


def _headers(body: bytes, changed: Mapping[str, str | None]) -> dict[str, str]:
    renamed = {name.replace("_", "-"): value for name, value in changed.items()}
    headers = signed_headers("issues", body) | renamed
    return {name: value for name, value in headers.items() if value is not None}


def new_guid() -> str:
    return secrets.token_hex(16)


@asynccontextmanager
async def serving(
    store: Store,
    installation_id: int,
    patience: Patience | None = None,
    *,
    keys: Keys | None = None,
    addresses: Addresses = LOCAL,
    metrics_token: str = "",
    verifiers: Sequence[Verifier] = (),
    login: Login | None = None,
    oauth: OAuthServer | None = None,
    proxies: Proxies = NO_PROXIES,
    look_every_s: float = LOOK_EVERY_S,
    port: int | None = None,
    plugins: bool = False,
    mcp: Callable[[Dispatcher, Tokens, list[str]], AbstractAsyncContextManager[MCP]] = http.serving,
) -> AsyncIterator[Surface]:
    """`patience`: how long WebSockets wait for clients, if not as long as usual.

    Servers with the same `keys` know the same tokens. `port`: where it listens, if not anywhere.
    `verifiers` check tokens of others. `mcp` handles /mcp.
    """
    known = keys or Keys(secrets.token_hex(32))
    outside = Outside(
        files=FileTexts(store, known), plugins=Plugins(store, known) if plugins else None
    )
    dispatcher = Dispatcher(store, Shared(known, outside=outside))
    tokens = Tokens(store, dispatcher.shared.keys, [addresses.audience], verifiers, look_every_s)
    problems: dict[str, str] = {}
    dead: dict[str, str] = {}

    async def ready() -> dict[str, str]:
        return problems

    hosts = http.allowed_hosts(LOOPBACK | {"hubbub.example.com"})
    app = create_app(
        dispatcher,
        tokens,
        pressure=Backpressure(),
        webhook_secrets=[WEBHOOK_SECRET],
        addresses=addresses,
        login=login,
        oauth=oauth,
        proxies=proxies,
        mcp=partial(mcp, dispatcher, tokens, hosts),
        monitoring=Monitoring(ready, lambda: dead, metrics_token),
    )
    app[SOCKETS].patience = patience or Patience()
    server = ServerWithoutCancellation(app, port=port)
    async with _alive(server), aiohttp.ClientSession() as client:
        url = str(server.make_url("")).rstrip("/")
        yield Surface(
            dispatcher,
            app[SOCKETS],
            url,
            client,
            installation_id,
            server,
            problems,
            dead,
            app[BODIES],
        )


class ServerWithoutCancellation(TestServer):
    """Does not cancel handlers when a client leaves, like `hubbub serve`."""

    __test__ = False

    async def _make_runner(self, **given: Any) -> Any:
        return await super()._make_runner(**given | {"handler_cancellation": False})


@asynccontextmanager
async def _alive(server: TestServer) -> AsyncIterator[None]:
    """Run the server in one task. MCP needs that, and a fixture may end in another task."""
    up, down = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        await server.start_server()
        up.set()
        await down.wait()
        await server.close()

    life = asyncio.create_task(live())
    await up.wait()
    yield
    down.set()
    await life
