"""Real MCP clients at a `hubbub serve` in a process of its own."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from fixtures.github import SimulatedGitHub
from tests.support.server_process import environment, rows, serving, settings, wait_until_processed

ERAS = ("auto", "legacy")
TLS = ssl.create_default_context()  # making one takes 100 ms


@asynccontextmanager
async def connect(url: str, token: str, era: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, verify=TLS) as client,
        Client(streamable_http_client(f"{url}/mcp", http_client=client), mode=era) as found,
    ):
        yield found


async def race(urls: list[str], tokens: list[str], task: str) -> list[str]:
    """Each claims by a client of its own, at once: who won, or the code of the refusal."""
    ready = asyncio.Barrier(len(tokens))

    async def one(n: int) -> str:
        # Both eras at each server.
        url = urls[n // 2 % len(urls)]
        async with connect(url, tokens[n], ERAS[n % 2]) as client:
            await client.call_tool("register_agent", {"agent_id": f"racer-{n}", "name": "Racer"})
            await ready.wait()
            called = await client.call_tool("claim_task", {"task": task})
            found: dict[str, Any] = called.structured_content or {}
            return found["error"]["code"] if called.is_error else "won"

    return list(await asyncio.gather(*(one(n) for n in range(len(tokens)))))


async def test_fifty_clients_race_for_one_task_at_two_servers_of_one_database(
    own_url: str, tmp_path: Path
) -> None:
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/rocket")
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        async with (
            serving(tmp_path, own_url, github) as server,
            serving(tmp_path, own_url, github) as other,
        ):
            github.app.webhook_url = f"{server.url}/webhooks/github"
            installation = github.install("acme", repositories=["acme/rocket"])
            person.open_issue(repository, "Count down", labels=["agent-task"])
            await github.wait_for_deliveries()
            await wait_until_processed(own_url)
            tokens = await server.tokens(installation.id, [f"racer-{n}" for n in range(50)])
            outcomes = await race([server.url, other.url], tokens, "acme/rocket#1")
            assert sorted(outcomes) == ["already_claimed"] * 49 + ["won"]
            leases = await rows(own_url, "SELECT state FROM leases")
            assert leases == [{"state": "held"}]
            assert [await server.stop(), await other.stop()] == [0, 0]
            assert github.sent_while_limited == 0


async def test_stdio_serves_one_agent_on_the_database_and_through_a_server(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, sqlite_url) as server:
        token = await server.token(1, "scout")
        for where in ({}, {"HUBBUB_URL": server.url}):
            given = settings(sqlite_url) | {"HUBBUB_TOKEN": token} | where
            if where:
                del given["HUBBUB_DATABASE_URL"]
            command = StdioServerParameters(
                command=sys.executable,
                args=["-m", "bot", "mcp"],
                env=environment(given),
                cwd=tmp_path,
            )
            async with Client(stdio_client(command)) as client:
                names = {tool.name for tool in (await client.list_tools()).tools}
                assert "claim_task" in names
                called = await client.call_tool(
                    "register_agent", {"agent_id": "scout", "name": "Scout"}
                )
                assert not called.is_error
                refused = await client.call_tool("claim_task", {})
                assert refused.structured_content is not None
                assert refused.structured_content["error"]["code"] == "nothing_ready"
