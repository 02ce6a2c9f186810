"""Starts the session of the job, and tells the steps that follow how to use it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hubbub
from hubbub import Server, Tokens, Unreachable
from instructions import instructions
from runner import Problem, folder, given, mask, write_json, write_output
from serve import STATE

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Seconds until the background process must listen, and between two looks.
LISTENS_WITHIN_S, LOOK_EVERY_S = 20, 0.05
# How often a server that does not answer is asked, and the seconds between.
ATTEMPTS, WAIT_S = 4, 3.0
# Longer than any tool of Hubbub waits.
TOOL_TIMEOUT_S = 120


def main() -> None:
    server = server_of(given("HUBBUB_SERVER"))
    tokens = first_tokens(server)
    token_file = str(folder() / "token") if given("HUBBUB_TOKEN_FILE") == "true" else ""
    state = start_background(server, tokens, token_file)
    register(state)
    for name, value in outputs(state, token_file).items():
        write_output(name, value)
    print(f"This job works as the agent {state['agent_id']} on {server.url}.")


def server_of(text: str) -> Server:
    """Raise Problem for what is no address."""
    parts = urlsplit(text)
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.query:
        raise Problem(
            f"The input `server` is {text!r}. Pass the address of your Hubbub server, such as "
            "https://hubbub.example.com."
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Problem(f"The input `server` is {text!r}. Pass an address that begins with https.")
    url = text.rstrip("/")
    return Server(url, given("HUBBUB_AUDIENCE") or url, given("HUBBUB_RUN"))


def first_tokens(server: Server) -> Tokens:
    """Try a few times, with another token of the job each time. Raise Problem."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            tokens = hubbub.exchange(server)
        except Unreachable as failed:
            if attempt == ATTEMPTS:
                raise Problem(
                    f"Hubbub cannot be reached. {failed} Check the input `server`, and that the "
                    "runner can connect to it."
                ) from failed
            time.sleep(float(given("HUBBUB_WAIT_S") or WAIT_S))
        else:
            mask(tokens.access)
            mask(tokens.refresh)
            return tokens
    raise AssertionError


def start_background(server: Server, tokens: Tokens, token_file: str) -> dict[str, Any]:
    """Start `serve`, which outlives this step. The tokens go through a pipe, not its arguments."""
    where = folder()
    state = where / STATE
    state.unlink(missing_ok=True)
    key = secrets.token_urlsafe(24)
    mask(key)
    about = {"server": asdict(server), "tokens": asdict(tokens)}
    told = {**about, "token_file": token_file, "key": key}
    with (where / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).parent), "serve"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin
    with process.stdin:
        process.stdin.write(json.dumps(told).encode())
    return wait_for(state, process, where / "log.txt")


def wait_for(state: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    end = time.monotonic() + LISTENS_WITHIN_S
    while not state.exists():
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Problem(f"The background process of the session did not start: {said}")
        time.sleep(LOOK_EVERY_S)
    found: dict[str, Any] = json.loads(state.read_text(encoding="utf-8"))
    return found


def register(state: dict[str, Any]) -> None:
    """Register the agent, as each agent must before its first call."""
    arguments = {"agent_id": state["agent_id"], "name": given("HUBBUB_NAME") or state["agent_id"]}
    if system := given("HUBBUB_SYSTEM"):
        arguments["system"] = system
    if capabilities := given("HUBBUB_CAPABILITIES"):
        arguments["capabilities"] = [each.strip() for each in capabilities.split(",")]
    call(state, "register_agent", arguments)


def call(state: dict[str, Any], operation: str, arguments: dict[str, Any]) -> Any:
    data = json.dumps(arguments).encode()
    headers = {"Content-Type": "application/json"}
    return hubbub.send(f"{state['url']}/api/v1/{operation}", data, headers)


def outputs(state: dict[str, Any], token_file: str) -> dict[str, str]:
    url = f"{state['url']}/mcp"
    config = folder() / "mcp.json"
    write_json(config, {"mcpServers": {"hubbub": {"type": "http", "url": url}}})
    return {
        "agent-id": state["agent_id"],
        "mcp-url": url,
        "api-url": f"{state['url']}/api/v1",
        "mcp-config": str(config),
        "codex-args": json.dumps(codex_arguments(url)),
        "prompt": instructions(state["agent_id"], given("HUBBUB_TASK"), given("HUBBUB_PROMPT")),
        "token-file": token_file,
    }


def codex_arguments(url: str) -> list[str]:
    """For `codex exec`, which cancels calls of tools that nobody approved."""
    settings = {
        "url": json.dumps(url),
        "default_tools_approval_mode": '"approve"',
        "tool_timeout_sec": str(TOOL_TIMEOUT_S),
    }
    pairs = (["-c", f"mcp_servers.hubbub.{name}={value}"] for name, value in settings.items())
    return [each for pair in pairs for each in pair]
