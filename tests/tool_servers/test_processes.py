"""MCP servers that run as processes of the machine, by the operator's file."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from bot.settings import WrongSettings
from bot.tool_servers import operator_file
from bot.tool_servers.connections import ServerSpec
from bot.tool_servers.operator_file import Process
from mcp_server.upstreams import processes
from tests.support.patience import SOON_S
from tests.support.upstreams import Connected, connect

PROGRAM = Path(__file__).parents[1] / "support" / "stdio_tool_server.py"
SPEC = ServerSpec(7, "m_1", 1, "stdio", "", options={"server": "local"})


def local(folder: Path) -> dict[str, Process]:
    command = (sys.executable, "-I", "-S", str(PROGRAM), str(folder))
    return {
        "local": Process(command=command, accounts=("acme",), env={"NAME": "x"}, folder=str(folder))
    }


def pid(folder: Path, name: str = "pid") -> int:
    return int((folder / name).read_text())


async def gone(process_id: int) -> bool:
    process = None
    try:
        process = psutil.Process(process_id)
        await asyncio.to_thread(process.wait, SOON_S)
    except psutil.NoSuchProcess:
        return True
    return not process.is_running()


async def test_a_process_has_only_its_own_variables_and_its_folder(tmp_path: Path) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        found = await connected.call(SPEC, "look")
        told = json.loads(found.content[0].text)
        assert set(told["environment"]) <= {"NAME", "LC_CTYPE"}
        assert told["folder"] == str(tmp_path)
        assert connected.log == ["ready to serve"]
        assert [each.name for each in await connected.servers.list_tools(SPEC)] == ["look"]
        running = pid(tmp_path)
    assert await gone(running)


async def test_odd_lines_are_read_and_wrong_answers_are_errors_at_once(tmp_path: Path) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        marked = await connected.call(SPEC, "mark")
        assert marked.content[0].text == "marked"
        half = await connected.call(SPEC, "half")
        assert half.content[0].text == "a ? b \U0001f600"
        failure = await connected.failure(SPEC, "wrong")
    assert failure.text.startswith("The server does not keep to the protocol")


async def test_a_process_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        await connected.call(SPEC, "look")
        first = pid(tmp_path)
        failure = await connected.failure(SPEC, "die")
        assert (failure.kind, failure.sent) == ("unreachable", True)
        assert failure.text == "The server closed the connection."
        await connected.call(SPEC, "look")
        assert pid(tmp_path) != first


async def test_one_that_ended_by_itself_is_started_again_before_the_next_call(
    tmp_path: Path,
) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        await connected.call(SPEC, "look")
        first = pid(tmp_path)
        os.kill(first, signal.SIGKILL)
        await connected.servers._open[SPEC.key].ended.wait()
        await connected.call(SPEC, "look")
        assert pid(tmp_path) != first


async def test_all_processes_of_its_group_end_with_it(tmp_path: Path) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        await connected.call(SPEC, "leave")
        await connected.call(SPEC, "stubborn")
        child = pid(tmp_path, "child")
    assert await gone(child)
    assert await gone(pid(tmp_path))


async def test_one_that_floods_its_outputs_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "PATIENCE_S", 0.1)
    async with connect(servers=local(tmp_path)) as connected:
        await connected.call(SPEC, "flood")
        # Its outputs are read slowly on purpose, and the process that it started holds them.
        await until_full(tmp_path)
    assert await gone(pid(tmp_path))
    os.kill(pid(tmp_path, "heir"), signal.SIGKILL)


async def until_full(folder: Path) -> None:
    """Until it waits for somebody to read what it writes."""
    process = psutil.Process(pid(folder))
    is_full = False
    while not is_full:
        is_full = (folder / "heir").exists() and process.status() == psutil.STATUS_SLEEPING
        await asyncio.sleep(0)


async def test_a_line_without_an_end_ends_the_connection(tmp_path: Path) -> None:
    async with connect(servers=local(tmp_path)) as connected:
        failure = await connected.failure(SPEC, "line")
        assert failure.kind == "unreachable"
        assert await connected.call(SPEC, "look")


async def test_it_ends_also_when_this_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.tool_servers import "
        "test_processes as t; asyncio.run(t.hold(Path(sys.argv[1])))"
    )
    hubbub = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert hubbub.stdout
    assert await hubbub.stdout.readline() == b"called\n"
    server = pid(tmp_path)
    os.kill(hubbub.pid, signal.SIGKILL)
    await hubbub.wait()
    assert await gone(server)


async def hold(folder: Path) -> None:
    """A program that calls a server which would not end by itself, and stays."""
    connected = Connected((), local(folder), 200, None)
    await connected.call(SPEC, "stubborn")
    sys.stdout.write("called\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def test_a_program_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    servers = {"local": Process(command=(str(tmp_path / "none"),), accounts=("acme",))}
    async with connect(servers=servers) as connected:
        failure = await connected.failure(SPEC, "look")
        assert failure.kind == "unreachable"
        other = await connected.failure(ServerSpec(7, "m", 1, "stdio", "", options={}), "look")
        assert "operator's file" in other.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("servers: [", "is not YAML"),
        ("servers: {local: {command: []}}", "servers.local.command"),
        ("servers: {Local: {command: [x], accounts: [a]}}", "servers.Local"),
        ("servers: {a: {command: [x], accounts: [a], envs: {}}}", "servers.a.envs"),
        (f"servers: {{}} # {'x' * operator_file.LARGEST}", "more than 1000000 characters"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "servers.yml"
    path.write_text(text)
    with pytest.raises(WrongSettings, match=problem):
        operator_file.load(str(path))


def test_a_file_names_servers_for_accounts(tmp_path: Path) -> None:
    path = tmp_path / "servers.yml"
    path.write_text("servers: {files: {command: [npx, files], accounts: [acme], env: {A: b}}}")
    found = operator_file.load(str(path))["files"]
    assert (found.command, found.accounts, dict(found.env)) == (
        ("npx", "files"),
        ("acme",),
        {"A": "b"},
    )
    assert operator_file.load(None) == {}
