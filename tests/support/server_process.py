"""Starts, calls and kills `hubbub serve` in a process of its own."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bot.identity.keyring import Keys
from fixtures.github import SimulatedGitHub
from fixtures.github.app import key_pair
from store.engine.database import open_store
from store.engine.transaction import Tx
from store.tables.agents import Role
from tests.support.api_keys import add_api_key
from webhooks.signature import sign

LISTENING = "Hubbub is listening on "
SECRET = "the secret of a test, long enough"
WEBHOOK_SECRET = "It's a Secret to Everybody"
START_S = 60
# Nothing listens there: GitHub is away.
NOWHERE = "http://127.0.0.1:9"


def settings(database_url: str, github: SimulatedGitHub | None = None) -> dict[str, str]:
    """The environment of a `serve`, as HUBBUB_… variables."""
    return {
        "HUBBUB_DATABASE_URL": database_url,
        "HUBBUB_SECRET_KEY": SECRET,
        "HUBBUB_PORT": "0",
        # Tests and benchmarks call as fast as they can.
        "HUBBUB_QUOTAS": "calls_a_minute=1000000000/1000000000",
        # Recorded payloads are years old.
        "HUBBUB_KEEP_HISTORY_DAYS": "3650",
        "HUBBUB_GITHUB_APP_ID": str(github.app.id) if github else "4711",
        "HUBBUB_GITHUB_PRIVATE_KEY": github.app.private_key if github else _private_key(),
        "HUBBUB_GITHUB_WEBHOOK_SECRET": github.app.webhook_secret if github else WEBHOOK_SECRET,
        "HUBBUB_GITHUB_API_URL": github.url if github else NOWHERE,
    }


def _private_key() -> str:
    private, _ = key_pair()
    return private


def environment(given: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    return kept | given | {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"}


async def hubbub_process(
    *arguments: str, folder: Path, redirect: str = "", **given: str
) -> tuple[int, str, str]:
    """Run a command in a process of its own: exit code, standard output, standard error.

    `redirect` is the shell's, such as `>/dev/full`.
    """
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        f'exec "$@" {redirect}',
        "sh",
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=environment(given),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@dataclass
class Serving:
    process: asyncio.subprocess.Process
    url: str
    database_url: str
    log: Path

    def kill(self) -> None:
        self.process.kill()

    async def stop(self) -> int:
        """Stop it by SIGTERM. Return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def token(self, installation_id: int, agent: str, role: Role = "developer") -> str:
        (made,) = await self.tokens(installation_id, [agent], role)
        return made

    async def tokens(
        self, installation_id: int, agents: Sequence[str], role: Role = "developer"
    ) -> list[str]:
        async def work(tx: Tx) -> list[str]:
            keys = Keys(SECRET)
            return [await add_api_key(tx, keys, installation_id, each, role) for each in agents]

        store = await open_store(self.database_url)
        made = await store.write(work)
        await store.close()
        return made


@asynccontextmanager
async def serving(
    folder: Path,
    database_url: str,
    github: SimulatedGitHub | None = None,
    log: str | None = None,
    **given: str,
) -> AsyncIterator[Serving]:
    """Run the server as long as the context lasts. `given`: more environment variables.

    `log`: the file for its standard error, if not a new one in the folder.
    """
    path = Path(log) if log else folder / f"serve-{secrets.token_hex(4)}.log"
    with path.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "serve",
            env=environment(settings(database_url, github) | given),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
        )
    try:
        yield Serving(process, await _address(process), database_url, path)
    except BaseException as exc:
        exc.add_note(_log_text(path))
        raise
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _log_text(log: Path) -> str:
    return f"{log.name} has:\n{log.read_text() if log.is_file() else 'nothing'}"


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        line = (await process.stdout.readline()).decode()
    assert line.startswith(LISTENING), line
    return line.removeprefix(LISTENING).strip()


def signed_headers(
    event: str, body: bytes, guid: str | None = None, secret: str = WEBHOOK_SECRET
) -> dict[str, str]:
    """The headers of a delivery."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid or secrets.token_hex(16),
        "X-Hub-Signature-256": sign(secret, body),
    }


async def post(
    session: aiohttp.ClientSession, url: str, event: str, body: bytes, guid: str | None = None
) -> int:
    headers = signed_headers(event, body, guid)
    async with session.post(f"{url}/webhooks/github", data=body, headers=headers) as response:
        await response.read()
        return response.status


async def rows(database_url: str, sql: str, **params: Any) -> list[dict[str, Any]]:
    store = await open_store(database_url)
    found = await store.read(lambda tx: tx.all(sql, **params))
    await store.close()
    return found


async def wait_until_processed(database_url: str, timeout_s: float = 60) -> None:
    """Wait until the inbox is empty."""
    q = "SELECT COUNT(*) AS n FROM deliveries WHERE state IN ('received', 'failed')"
    async with asyncio.timeout(timeout_s):
        while (await rows(database_url, q))[0]["n"]:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)
