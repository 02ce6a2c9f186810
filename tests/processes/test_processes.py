"""Rules that hold for processes of their own, and for connections that break under them."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pymysql

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.database import open_store
from store.engine.mysql_address import Address, address
from tests.support.server_process import SECRET, Serving, rows, serving

INSTALLATION = 42
# An end takes less than 5 s on an idle machine, whatever clients are connected. The waits of the
# clients, and handlers that are given ten seconds and ten more, would take longer than this.
STOP_S = 19
# Requests of clients that would hold up the end. Each is sent with the token and the rest.
MCP = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
OLDER = f"{MCP}MCP-Protocol-Version: 2025-06-18\r\n"
NEWER = f"{MCP}MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n"
WAITING = (
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", '
    '"params": {"name": "get_messages", "arguments": {"wait_s": 50}}}'
)
LISTENING = (
    '{"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"notifications": '
    '{"resourceSubscriptions": ["hubbub://inbox"]}, "_meta": '
    '{"io.modelcontextprotocol/protocolVersion": "2026-07-28", '
    '"io.modelcontextprotocol/clientCapabilities": {}}}}'
)
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
# By the first line: the other headers, the body, and how many bytes more were promised.
CLIENTS: dict[str, tuple[str, str, int]] = {
    "GET /healthz": ("", "", 0),
    "GET /mcp": (OLDER, "", 0),
    "GET /ws": (UPGRADE, "", 0),
    "POST /api/v1/list_agents": ("", "{", 100),
    "POST /webhooks/github": ("", "{", 100),
    "POST /api/v1/get_messages": ("", '{"wait_s": 50}', 0),
    "POST /mcp": (OLDER, WAITING, 0),
    "POST /mcp?listen": (NEWER, LISTENING, 0),
    "POST /mcp?unfinished": (OLDER, "{", 100),
}


async def test_servers_start_and_end_together_on_an_empty_database(
    empty_url: str, tmp_path: Path
) -> None:
    """Each is told to stop as soon as it says that it listens."""

    async def started_and_stopped() -> int:
        async with serving(tmp_path, empty_url) as server:
            return await server.stop()

    outcomes = await asyncio.gather(*(started_and_stopped() for _ in range(2)))
    assert outcomes == [0] * 2


# --- Told to stop --------------------------------------------------------------------------------


async def register(server: Serving, agent: str) -> None:
    """By this process, so that the server has not heard of the agent yet."""
    store = await open_store(server.database_url)
    dispatcher, actor = (
        Dispatcher(store, Shared(Keys(SECRET))),
        Actor(INSTALLATION, agent, "developer"),
    )
    await dispatcher.call(actor, "register_agent", {"agent_id": agent, "name": agent})
    await store.close()


async def last_active(server: Serving) -> list[dict[str, Any]]:
    return await rows(server.database_url, "SELECT last_active_at FROM agents")


async def waits(server: Serving, token: str) -> int:
    """An agent's longest wait for a message: the status of the answer."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{server.url}/api/v1/get_messages"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"wait_s": 50}) as response,
    ):
        await response.read()
        return response.status


async def test_told_to_stop_it_stops_and_answers_those_who_wait(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, sqlite_url) as server:
        token = await server.token(INSTALLATION, "scout")
        await register(server, "scout")
        before = await last_active(server)
        waiting = asyncio.create_task(waits(server, token))
        while await last_active(server) == before:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        async with asyncio.timeout(STOP_S):
            assert await server.stop() == 0
        assert await waiting == 200
        assert "Traceback" not in server.log.read_text()


async def connect(server: Serving, token: str, line: str) -> asyncio.StreamWriter:
    """A client that sends its request and then neither reads nor leaves."""
    headers, body, missing = CLIENTS[line]
    port = int(server.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"{headers}Content-Length: {len(body) + missing}\r\n\r\n{body}".encode()
    )
    await writer.drain()
    return writer


async def test_told_to_stop_it_stops_soon_whatever_clients_are_connected(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, sqlite_url) as server:
        token = await server.token(INSTALLATION, "scout")
        await register(server, "scout")
        before = await last_active(server)
        clients = [await connect(server, token, line) for line in CLIENTS for _ in "12"]
        while await last_active(server) == before:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        assert await server.stop() == 0
        assert asyncio.get_running_loop().time() - began < STOP_S
        assert "Traceback" not in server.log.read_text()
        for each in clients:
            each.close()


# --- Connections ---------------------------------------------------------------------------------


NO_SUCH_CONNECTION = 1094


def kill_all(where: Address) -> int:
    """Every connection to the database; how many there were."""
    admin = pymysql.connect(
        host=where.host, port=where.port, user=where.user, password=where.password
    )
    with admin, admin.cursor() as cursor:
        q = "SELECT id FROM information_schema.processlist WHERE db = %s"
        cursor.execute(q, (where.database,))
        found = cursor.fetchall()
        for (connection,) in found:
            try:
                cursor.execute(f"KILL {connection}")
            except pymysql.err.OperationalError as exc:
                # It may have ended since it was listed.
                if exc.args[0] != NO_SUCH_CONNECTION:
                    raise
    return len(found)


async def test_killed_connections_are_no_faults_of_ours_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    where = address(migrated_mysql_url)
    store = await open_store(migrated_mysql_url)
    dispatcher = Dispatcher(store, Shared(Keys(SECRET)))

    async def agent(name: str) -> None:
        actor = Actor(installation_id, name, "developer")
        await dispatcher.call(actor, "register_agent", {"agent_id": name, "name": "x"})
        await dispatcher.call(actor, "list_agents", {})

    killed = 0
    for _ in range(10):
        working = asyncio.gather(*(agent(f"agent-{n}") for n in range(8)))
        killed += await asyncio.to_thread(kill_all, where)
        await working
    assert killed >= 10
    agents = await rows(
        migrated_mysql_url, "SELECT id FROM agents WHERE installation_id = :i", i=installation_id
    )
    assert len(agents) == 8
    await store.close()
