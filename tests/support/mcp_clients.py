"""MCP clients of both eras of the protocol, at a server of a test."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server import bridge
from store.tables.agents import Role
from tests.support.server_in_process import Surface

TLS = ssl.create_default_context()  # making one takes 100 ms
ERAS = ("auto", "legacy")


@asynccontextmanager
async def connect(
    surface: Surface, era: str = "auto", role: Role = "developer", agent_id: str = "ada"
) -> AsyncIterator[Client]:
    token = await surface.token(agent_id, role)
    async with connected_by(surface, token, era) as client:
        yield client


@asynccontextmanager
async def connected_by(surface: Surface, token: str, era: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=TLS, timeout=60) as http,
        Client(streamable_http_client(f"{surface.url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


async def bridged(url: str, token: str, *sent: dict[str, Any]) -> list[dict[str, Any]]:
    """What `hubbub mcp` at a server answers, in the order of the ids."""

    async def lines() -> AsyncIterator[str]:
        for each in sent:
            yield json.dumps(each)

    answers: list[dict[str, Any]] = []
    await bridge.forward(url, token, lines(), answers.append)
    return sorted(answers, key=lambda each: str(each["id"]))
