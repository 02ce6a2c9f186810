"""Reads a file for Hubbub once and keeps what is wrong with it, for the check of pull requests."""

import asyncio

from bot.kernel.yaml_file import Lines, Unreadable, nearest_line
from bot.pulls import workflow_files, workflow_tools
from bot.pulls.workflow_tools import ToolUse
from bot.repository import settings_file
from bot.workflows.definitions import definition_file
from bot.workflows.definitions.definition import Definition
from store.engine.transaction import Tx
from store.mirror.code_objects import Here


async def read(tx: Tx, here: Here, sha: str, content: bytes) -> Definition:
    """The definition. Raise Unreadable."""
    try:
        # Parsing a hostile file may take some tenths of a second.
        found, lines = await asyncio.to_thread(definition_file.parse_with_lines, content)
    except Unreadable as exc:
        await workflow_files.put_problems(tx, here, sha, exc.problems)
        raise
    await workflow_files.put_problems(tx, here, sha, ())
    await workflow_tools.put(tx, here, sha, _tools(found, lines))
    return found


def _tools(definition: Definition, lines: Lines) -> list[ToolUse]:
    """The tools that its steps call, with their lines."""
    return [
        ToolUse(
            step=step.id,
            tool=step.tool,
            arguments=step.arguments,
            line=nearest_line(lines, ("steps", str(n), "tool")),
            lines={
                name: nearest_line(lines, ("steps", str(n), "arguments", name))
                for name in ("", *step.arguments)
            },
        )
        for n, step in enumerate(definition.steps)
        if step.tool is not None
    ]


async def check(tx: Tx, here: Here, sha: str, content: bytes) -> tuple[str, ...]:
    """What is wrong with the file."""
    try:
        await read(tx, here, sha, content)
    except Unreadable as exc:
        return exc.problems
    return ()


async def check_changed(tx: Tx, here: Here, path: str, sha: str, content: bytes) -> None:
    """Check a file that a pull request changes: a workflow file, or the settings."""
    if path != settings_file.PATH:
        await check(tx, here, sha, content)
        return
    problems: tuple[str, ...] = ()
    try:
        await asyncio.to_thread(settings_file.parse, content)
    except Unreadable as exc:
        problems = exc.problems
    await workflow_files.put_problems(tx, here, workflow_files.problems_id(path, sha), problems)
