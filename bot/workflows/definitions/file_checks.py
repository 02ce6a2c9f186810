"""Reads a workflow file once and keeps what is wrong with it, for the check of pull requests."""

import asyncio

from bot.kernel.yaml_file import Unreadable
from bot.pulls import workflow_files
from bot.workflows.definitions import definition_file
from bot.workflows.definitions.definition import Definition
from store.engine.transaction import Tx
from store.mirror.code_objects import Here


async def read(tx: Tx, here: Here, sha: str, content: bytes) -> Definition:
    """The definition. Raise Unreadable."""
    try:
        # Parsing a hostile file may take some tenths of a second.
        found = await asyncio.to_thread(definition_file.parse, content)
    except Unreadable as exc:
        await workflow_files.put_problems(tx, here, sha, exc.problems)
        raise
    await workflow_files.put_problems(tx, here, sha, ())
    return found


async def check(tx: Tx, here: Here, sha: str, content: bytes) -> tuple[str, ...]:
    """What is wrong with the file."""
    try:
        await read(tx, here, sha, content)
    except Unreadable as exc:
        return exc.problems
    return ()
