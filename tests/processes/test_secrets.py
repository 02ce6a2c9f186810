"""No secret is in anything that Hubbub prints, logs, answers, shows at /metrics or audits.

One run of everything, whose whole output is searched for each secret. The server has a process of
its own.
"""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from fixtures.github import SimulatedGitHub
from tests.support.command_line import hubbub
from tests.support.mcp_clients import bridged
from tests.support.server_process import (
    SECRET,
    Serving,
    rows,
    serving,
    settings,
    signed_headers,
    wait_until_processed,
)

PLAIN = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
# Parts of a secret so long are found too: a log may cut a text.
PART = 20


@dataclass
class Run:
    """`secrets`: by name. `output`: what anybody could read, by where."""

    folder: Path
    given: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)

    def keep(self, where: str, text: str) -> None:
        self.output[where] = self.output.get(where, "") + text

    async def command(self, *words: str, shows: str = "", **given: str) -> str:
        """Run a command. `shows`: the name of the secret that it prints on purpose."""
        _, out, err = await hubbub(*words, folder=self.folder, **self.given | given)
        if shows:
            self.secrets[shows] = out.strip()
        else:
            self.keep(f"hubbub {' '.join(words)}", out)
        self.keep(f"hubbub {words[0]}: errors", err)
        return out

    def leaks(self) -> list[tuple[str, str]]:
        """The names of secrets that were found, each with where."""
        return [
            (name, where)
            for name, secret in self.secrets.items()
            for where, text in self.output.items()
            if any(part in text for part in parts(secret))
        ]


def parts(secret: str) -> list[str]:
    """The secret, and the beginning, end and Base64 form of a long one."""
    lines = [line for line in secret.splitlines() if line and not line.startswith("-----")]
    encoded = base64.b64encode(secret.encode()).decode()
    # The beginning of a token of ours is its id, which is no secret.
    long = [each[-PART:] for each in [*lines, encoded] if len(each) > 2 * PART]
    return [secret, json.dumps(secret)[1:-1], *long]


async def call(run: Run, url: str, path: str, token: str, body: Any, **headers: str) -> None:
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, data=body, headers=sent) as response,
    ):
        run.keep(f"answers at {path}", f"{dict(response.headers)} {await response.text()}")


def tool(name: str, **arguments: Any) -> str:
    params = {"name": name, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


async def call_everything(run: Run, server: Serving, token: str) -> None:
    """Calls that succeed and calls that fail, with tokens that are right, wrong and misplaced."""
    others = (token, token + "x", token[:-1], "", "hubbub_0123456789abcdef0123_x")
    for each in others:
        registered = {"agent_id": "ada", "name": "Ada"}
        await call(run, server.url, "/api/v1/register_agent", each, json.dumps(registered))
        await call(run, server.url, "/api/v1/get_task", each, json.dumps({"task": token}))
        await call(run, server.url, "/api/v1/get_task", each, json.dumps({token: 1}))
        await call(run, server.url, "/api/v1/claim_task", each, f'{{"{token}')
        await call(run, server.url, f"/api/v1/{token}", each, "{}")
        await call(run, server.url, "/mcp", each, tool("list_tasks"), **PLAIN)
        await call(run, server.url, "/mcp", each, tool("get_task", task=token), **PLAIN)
        await call(run, server.url, "/mcp", each, tool(token), **PLAIN)
        await call(run, server.url, "/mcp", each, token, **PLAIN)
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    run.keep("hubbub mcp", json.dumps(await bridged(server.url, token, listed)))
    async with aiohttp.ClientSession() as session:
        for offered in (f"hubbub.bearer.{token}", f"hubbub, hubbub.bearer.{token}x"):
            headers = {"Sec-WebSocket-Protocol": offered}
            async with session.get(f"{server.url}/ws", headers=headers) as response:
                run.keep("answers at /ws", await response.text())


async def deliver_with_a_wrong_signature(run: Run, server: Serving, token: str) -> None:
    """What the server logs also when nothing else goes wrong."""
    async with aiohttp.ClientSession() as session:
        for body in (b"{", f'"{token}"'.encode()):
            headers = signed_headers("issues", body) | {"X-Hub-Signature-256": "sha256=" + 64 * "0"}
            address = f"{server.url}/webhooks/github"
            async with session.post(address, data=body, headers=headers) as response:
                assert response.status == 401
                run.keep("answers to deliveries", await response.text())


async def enrol(run: Run, server: Serving, *here: str) -> None:
    await run.command("token", "invite", *here, "--agent", "bob", shows="an invitation")
    code = run.secrets["an invitation"]
    await run.command("token", "redeem", code, shows="a key by invitation")
    await run.command("token", "redeem", code)
    await run.command("token", "redeem", code, HUBBUB_URL=server.url)
    await call(run, server.url, "/enrol", "", json.dumps({"code": code}))


async def look(run: Run, server: Serving) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/metrics", "/readyz", "/healthz", "/", "/api/v1/openapi.json"):
            async with session.get(server.url + path) as response:
                run.keep(path, await response.text())


async def test_no_secret_shows_in_what_a_whole_run_prints_logs_and_answers(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with SimulatedGitHub() as github:
        run = Run(tmp_path, settings(sqlite_url, github))
        run.secrets = {
            "HUBBUB_SECRET_KEY": SECRET,
            "the webhook secret": github.app.webhook_secret,
            "the private key": github.app.private_key,
        }
        repository = github.repository("acme/rocket")
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        async with serving(tmp_path, sqlite_url, github, HUBBUB_LOG_LEVEL="debug") as server:
            github.app.webhook_url = f"{server.url}/webhooks/github"
            installation = github.install("acme", ["acme/rocket"])
            issue = person.open_issue(repository, "Count down", labels=["agent-task"])
            person.comment(issue, "/status")
            here = ("--installation", str(installation.id))
            await run.command("token", "create", *here, "--agent", "ada", shows="an API key")
            await run.command("token", "create", *here, "--agent", "eve", shows="a revoked key")
            await enrol(run, server, *here)
            await run.command("token", "list", *here)
            token, revoked = run.secrets["an API key"], run.secrets["a revoked key"]
            await run.command("token", "revoke", revoked.split("_")[1])
            await run.command("token", "revoke", revoked)
            await call_everything(run, server, token)
            await call(run, server.url, "/api/v1/list_tasks", revoked, "{}")
            await github.wait_for_deliveries()
            await wait_until_processed(sqlite_url)
            await deliver_with_a_wrong_signature(run, server, token)
            await run.command("call", "list_tasks", HUBBUB_TOKEN=token)
            await run.command("call", "get_task", f"task={token}", HUBBUB_TOKEN=token)
            await run.command("call", "list_tasks", HUBBUB_TOKEN=token + "x")
            await run.command("doctor")
            await run.command("deliveries", "list", "--json")
            await run.command("audit", "export")
            await run.command("audit", "verify")
            await look(run, server)
            await server.stop()
            run.keep("the log", server.log.read_text())
        run.secrets |= {f"installation token {n}": t for n, t in enumerate(github.world.tokens)}
        new = {"HUBBUB_SECRET_KEY": "n" * 39 + "1", "HUBBUB_SECRET_KEY_OLD": SECRET}
        run.secrets["the new HUBBUB_SECRET_KEY"] = new["HUBBUB_SECRET_KEY"]
        await run.command("secret", "rotate", **new)
        await run.command("doctor", HUBBUB_GITHUB_PRIVATE_KEY=github.app.private_key[:200])
        await run.command("audit", "verify", HUBBUB_SECRET_KEY="w" * 40)
    run.keep("the audit", json.dumps(await rows(sqlite_url, "SELECT * FROM audit")))
    assert any(name.startswith("installation token") for name in run.secrets)
    assert {"/metrics", "the log", "answers at /mcp", "hubbub audit export"} <= run.output.keys()
    assert all(run.output[where] for where in ("/metrics", "the log", "the audit"))
    assert run.leaks() == []


def test_a_leak_would_be_found() -> None:
    run = Run(Path(), {}, {"a key": f"hubbub_0123_{'k1' * 30}"}, {"the log": f"token={'k1' * 15}"})
    assert run.leaks() == [("a key", "the log")]
