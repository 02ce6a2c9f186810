"""What strangers see of /metrics and /readyz, and where a request came from."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from store.engine.transaction import Store
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Surface, serving
from webhooks.client_address import Proxies, networks

SECRET = "m" * 40
# As a proxy on the same machine passes on what a stranger sent.
STRANGER = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
async def monitored(store: Store, installation_id: int) -> AsyncIterator[Surface]:
    async with serving(store, installation_id, metrics_token=SECRET) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return STRANGER | {"Authorization": f"Bearer {token}"}


@ON_SQLITE
async def test_strangers_see_no_metrics(monitored: Surface) -> None:
    # A page in a browser on this machine reaches the server by a name of its own.
    page = {"Host": "attacker.example"}
    wrong = [STRANGER, bearer(""), bearer("wrong"), bearer("ü"), {"Via": "1.1 proxy"}, page]
    for headers in wrong:
        answer = await monitored.send("GET", "/metrics", headers=headers)
        assert (answer.status, answer.code) == (401, "unauthenticated")
    for headers in ({}, bearer(SECRET)):
        answer = await monitored.send("GET", "/metrics", headers=headers)
        assert "hubbub_" in answer.data


@ON_SQLITE
@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_a_token_of_odd_bytes_is_a_wrong_one(monitored: Surface, path: str) -> None:
    url = URL(monitored.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nVia: 1.1 p\r\nConnection: close\r\n".encode()
        + b"Authorization: Bearer \xff\r\n\r\n"
    )
    answer = await reader.read()
    assert answer.split()[1] == (b"401" if path == "/metrics" else b"200")
    writer.close()
    await writer.wait_closed()


@ON_SQLITE
async def test_strangers_see_whether_it_is_ready_and_not_why(monitored: Surface) -> None:
    monitored.problems["github"] = "acme/secret cannot be reached"
    seen = await monitored.send("GET", "/readyz", headers=STRANGER)
    assert (seen.status, seen.data) == (200, {"status": "degraded"})
    for headers in ({}, bearer(SECRET)):
        seen = await monitored.send("GET", "/readyz", headers=headers)
        assert seen.data["problems"] == monitored.problems


@ON_SQLITE
async def test_without_a_token_for_monitoring_no_token_opens_it(surface: Surface) -> None:
    for token in ("", "x", await surface.token("ada")):
        assert (await surface.send("GET", "/metrics", headers=bearer(token))).status == 401


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        # Nobody is trusted, so what the header says does not matter.
        ([], [], "127.0.0.1"),
        ([], ["203.0.113.9"], "127.0.0.1"),
        (["127.0.0.1"], [], "127.0.0.1"),
        (["127.0.0.1"], ["203.0.113.9"], "203.0.113.9"),
        # A client may write the header itself; the proxy appends what it saw.
        (["127.0.0.1"], ["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1"], ["10.0.0.1", "203.0.113.9"], "203.0.113.9"),
        (["127.0.0.0/8", "10.0.0.0/8"], ["203.0.113.9, 10.0.0.1"], "203.0.113.9"),
        (["127.0.0.1"], ["203.0.113.9:4711"], "203.0.113.9"),
        (["127.0.0.1"], ["[2001:db8::1]:4711"], "2001:db8::1"),
        (["127.0.0.1", "2001:db8::/32"], ["192.0.2.7, 2001:db8::1"], "192.0.2.7"),
        # What is no address names nobody.
        (["127.0.0.1"], ["unknown"], "127.0.0.1"),
        (["127.0.0.1"], [""], "127.0.0.1"),
        (["127.0.0.1"], [", ".join(["127.0.0.1"] * 100)], "127.0.0.1"),
    ],
)
async def test_only_trusted_proxies_name_the_client(
    trusted: list[str], forwarded: list[str], client: str
) -> None:
    proxies = Proxies(networks(trusted))

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=proxies.client(request))

    app = web.Application()
    app.router.add_get("/", show)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        headers = [("X-Forwarded-For", each) for each in forwarded]
        async with session.get(server.make_url("/"), headers=headers) as response:
            assert await response.text() == client
