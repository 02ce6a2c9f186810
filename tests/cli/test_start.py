"""A command loads only the libraries that it needs, because agents start `call` and `mcp` all day.

The engine plays no part in this, so these tests run on SQLite alone.
"""

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bot.cli import call
from bot.identity.keyring import Keys
from bot.operations import OPERATIONS
from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.support.api_keys import add_api_key
from tests.support.server_process import (
    NOWHERE,
    SECRET,
    environment,
    hubbub_process,
    serving,
    settings,
)

# Python then writes a line to standard error for each module that it loads.
REPORT: dict[str, Any] = {"PYTHONPROFILEIMPORTTIME": "1"}
MIGRATIONS = {"alembic", "sqlalchemy", "mako"}
# The drivers.
MYSQL = {"aiomysql", "asyncmy"}
SIMULATOR = {"fixtures", "graphql"}
TESTS_AND_DOCS = {"pytest", "sphinx", "hypothesis"}
# Of extras: loaded when they are needed.
EXTRAS = {"wasmtime", "pypdf"}
# `serve` loads them while it answers already.
LATE = {"jinja2", "mcp", "mcp_types"}
LATE_OF_OURS = {
    "bot.background.loops",
    "bot.comments.card",
    "bot.inbox.worker",
    "bot.mirror",
    "bot.mounts.compositions",
    "bot.operations.tasks",
    "bot.operations.workflows",
    "bot.outbox",
    "bot.trackers",
    "mcp_server.http",
    "webhooks.page.pages",
    "webhooks.page.views",
    "webhooks.stored_metrics",
}
SERVER = {"aiohttp", "aiomysql", "pymysql", "cryptography", "jwt", "markdown_it", "mcp"}
SERVER |= {"prometheus_client", "rich", "starlette", "structlog", "webhooks", "yaml"}


def loaded(log: str) -> set[str]:
    """The packages in a report of Python about its imports."""
    return {each.partition(".")[0] for each in modules(log)}


def modules(log: str) -> set[str]:
    """All modules in a report of Python about its imports."""
    lines = [line for line in log.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path / 'hubbub.db'}"
    upgrade(made)
    return made


async def test_a_call_at_a_server_loads_neither_the_operations_nor_an_http_library(
    tmp_path: Path,
) -> None:
    given = {"HUBBUB_TOKEN": "x", "HUBBUB_URL": NOWHERE} | REPORT
    code, _, err = await hubbub_process("call", "list_agents", folder=tmp_path, **given)
    assert (code, "Cannot connect" in err) == (1, True)
    assert loaded(err) & (SERVER | MIGRATIONS | SIMULATOR | TESTS_AND_DOCS | EXTRAS) == set()
    assert "bot.operations" not in err


async def test_mcp_at_a_server_loads_neither_the_operations_nor_the_mcp_library(
    tmp_path: Path,
) -> None:
    given = {"HUBBUB_TOKEN": "x", "HUBBUB_URL": NOWHERE} | REPORT
    code, _, err = await hubbub_process("mcp", folder=tmp_path, **given)
    assert code == 0
    unneeded = SERVER - {"aiohttp"}
    assert loaded(err) & (unneeded | MIGRATIONS | SIMULATOR | TESTS_AND_DOCS | EXTRAS) == set()
    assert "bot.operations" not in err


async def test_a_call_on_the_database_loads_no_server_no_migrations_and_no_other_operation(
    url: str, tmp_path: Path
) -> None:
    store = await open_store(url)
    token = await store.write(lambda tx: add_api_key(tx, Keys(SECRET), 1, "scout", "observer"))
    await store.close()
    given = settings(url) | {"HUBBUB_TOKEN": token} | REPORT
    code, _, err = await hubbub_process("call", "list_agents", folder=tmp_path, **given)
    assert code == 0
    unneeded = {"starlette", "webhooks"} | LATE | MYSQL
    assert loaded(err) & (unneeded | MIGRATIONS | SIMULATOR | TESTS_AND_DOCS | EXTRAS) == set()
    found = {each.split(".")[2] for each in modules(err) if each.startswith("bot.operations.")}
    # Agents are listed with their tasks.
    assert found == {"agents", "tasks"}


def test_serve_loads_what_it_needs_to_answer_and_the_rest_later() -> None:
    command = [sys.executable, "-c", "import bot.cli.server"]
    log = subprocess.run(command, env=environment(REPORT), capture_output=True, check=True).stderr
    assert loaded(log.decode()) & LATE == set()
    rooms = tuple(LATE_OF_OURS)
    assert {each for each in modules(log.decode()) if each.startswith(rooms)} == set()


async def test_serve_on_a_current_schema_loads_no_migrations(url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, url, **REPORT) as server:
        assert await server.stop() == 0
    packages = loaded(server.log.read_text())
    assert packages >= {"aiohttp", "webhooks"}
    assert packages & (MYSQL | MIGRATIONS | SIMULATOR | TESTS_AND_DOCS | EXTRAS) == set()
    assert "mcp" not in packages, "it waited for a library that nobody asked for"


async def test_a_process_ends_without_a_search_for_unused_objects() -> None:
    look = "atexit.register(lambda: print(gc.get_freeze_count() > 0))"
    program = f"import atexit, gc; {look}; from bot.__main__ import run_process; run_process()"
    words = [sys.executable, "-c", program, "--version"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert (process.returncode, out.splitlines()[-1]) == (0, b"True")


def test_the_command_line_knows_which_arguments_are_json() -> None:
    """After a wanted change: HUBBUB_UPDATE_SNAPSHOTS=1 pytest tests/cli/test_start.py."""

    def takes_text(schema: dict[str, Any]) -> bool:
        kinds = [schema, *schema.get("anyOf", [])]
        return any(each.get("type") == "string" for each in kinds)

    json_names = {
        name
        for operation in OPERATIONS.values()
        for name, schema in operation.arguments.model_json_schema()["properties"].items()
        if not takes_text(schema)
    }
    table = f'"""\n{textwrap.fill(" ".join(sorted(json_names)), 99)}\n"""'
    source = Path(call.__file__)
    text = source.read_text()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        text = re.sub(r'(?ms)(?<=^JSON_ARGUMENTS = )""".*?"""', table, text)
        source.write_text(text)
    assert f"JSON_ARGUMENTS = {table}\n" in text
