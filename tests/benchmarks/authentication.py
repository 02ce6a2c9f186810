"""What authentication adds to a call, and how soon every process knows of a revocation."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack

import aiohttp
from rich.console import Console
from rich.table import Table

from bot.identity import sessions
from bot.identity.credentials import Grant, id_of
from bot.identity.keyring import Keys
from bot.identity.tokens import Tokens
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, Tx
from store.identity import credentials
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.api_keys import add_api_key

INSTALLATION = 4711
HERE = "https://hubbub.example.com/mcp"
TOKENS, ROUNDS = 1_000, 50
REVOKED = 20
# Milliseconds.
GOAL_MS, GOAL_REVOKED_MS = 0.05, 1_000
ASK_EVERY_S = 0.01


async def make(store: Store, kind: str, n: int) -> list[str]:
    """So many tokens, each of another agent."""
    keys = Keys(SECRET)

    async def work(tx: Tx) -> list[str]:
        names = [f"{kind.replace(' ', '-')}-{each}" for each in range(n)]
        if kind == "API key":
            return [await add_api_key(tx, keys, INSTALLATION, each, "developer") for each in names]
        grants = [Grant(INSTALLATION, each, "developer", frozenset({1, 2})) for each in names]
        started = [await sessions.start(tx, keys, each, audience=HERE) for each in grants]
        return [each.access_token for each in started]

    return await store.write(work)


async def microseconds(tokens: Tokens, given: Sequence[str], rounds: int) -> float:
    """The mean for one call, with the reads of revocations that fall between."""
    began = time.perf_counter()
    for _ in range(rounds):
        for token in given:
            await tokens.authenticate(token)
    return (time.perf_counter() - began) / (rounds * len(given)) * 1e6


async def costs(url: str) -> dict[str, tuple[float, float]]:
    """By kind of token: the first time that a process sees it, and from then on."""
    store = await open_store(url)
    found = {}
    for kind in ("API key", "access token"):
        given = await make(store, kind, TOKENS)
        tokens = Tokens(store, Keys(SECRET), [HERE])
        first = await microseconds(tokens, given, 1)
        found[kind] = first, await microseconds(tokens, given, ROUNDS)
    await store.close()
    return found


async def revocation_delays(url: str, servers: Sequence[str]) -> list[float]:
    """Milliseconds until the last server refuses a token that was revoked in the database."""
    store = await open_store(url)
    given = await make(store, "API key", REVOKED)
    took = []
    async with aiohttp.ClientSession() as client:
        for token in given:
            for server in servers:
                assert await status(client, server, token) == 200
            began = time.perf_counter()
            key_id = id_of(token)
            await store.write(lambda tx, key_id=key_id: credentials.revoke(tx, key_id))  # type: ignore[misc]
            waits = [until_refused(client, server, token) for server in servers]
            await asyncio.gather(*waits)
            took.append((time.perf_counter() - began) * 1000)
    await store.close()
    return sorted(took)


async def status(client: aiohttp.ClientSession, server: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post(f"{server}/api/v1/list_agents", json={}, headers=headers) as response:
        return response.status


async def until_refused(client: aiohttp.ClientSession, server: str, token: str) -> None:
    while await status(client, server, token) != 401:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(ASK_EVERY_S)


def main() -> None:
    calls = Table(title=f"What authentication adds to a call, microseconds ({TOKENS} tokens)")
    for name in ("", "token", "first call", "later calls", "at most"):
        calls.add_column(name, justify="left" if name in ("", "token") else "right")
    ends = Table(title=f"A revocation is known in two processes, milliseconds ({REVOKED} times)")
    for name in ("", "p50", "worst", "at most"):
        ends.add_column(name, justify="left" if not name else "right")
    with databases() as found:
        for engine, url in found.items():
            upgrade(url)
            for kind, (first, later) in asyncio.run(costs(url)).items():
                calls.add_row(engine, kind, f"{first:.0f}", f"{later:.1f}", f"{GOAL_MS * 1000:.0f}")
            with ExitStack() as stack:
                servers = [
                    "http://{}:{}".format(
                        *stack.enter_context(program("bot", "serve", **serve(url)))
                    )
                    for _ in range(2)
                ]
                took = asyncio.run(revocation_delays(url, servers))
            row = (took[len(took) // 2], took[-1])
            ends.add_row(engine, *(f"{ms:.0f}" for ms in row), str(GOAL_REVOKED_MS))
    Console(width=100).print(calls, ends)


if __name__ == "__main__":
    main()
