"""The tools that workflow files of a pull request call, and why they could not be called now.

What a file names is kept as it is read. Servers are mounted and tools are parked later, so that
their state is looked up each time.
"""

import json
from collections.abc import Sequence
from typing import TypedDict

from bot.identity.actors import BOT, Actor
from bot.kernel.yaml_file import line_of
from bot.tools import planned_calls
from store.engine.transaction import Tx
from store.mirror import code_objects
from store.mirror.code_objects import Here

# Calls of one file that are looked at, and problems of one call that are named.
MOST, MOST_PROBLEMS = 50, 3


class ToolUse(TypedDict):
    """A step with a tool. `lines`: of its arguments by name; of all of them by ''."""

    step: str
    tool: str
    arguments: dict[str, object]
    line: int
    lines: dict[str, int]


async def put(tx: Tx, here: Here, sha: str, uses: Sequence[ToolUse]) -> None:
    if uses:
        await code_objects.put(tx, here, "tools", sha, json.dumps(uses[:MOST]).encode())


async def problems(tx: Tx, here: Here, shas: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By the content of a file, a text for each problem of a tool, with its line."""
    found = await code_objects.get_all(tx, here, "tools", shas) if shas else {}
    return {
        sha: tuple([text for use in json.loads(content) for text in await _of_use(tx, here, use)])
        for sha, content in found.items()
    }


async def _of_use(tx: Tx, here: Here, use: ToolUse) -> list[str]:
    # Who starts the workflow is not known yet, and whether they may call it is checked then.
    actor = Actor(here[0], BOT, "tech-lead", frozenset({here[1]}))
    if why := await planned_calls.problem_of_tool(tx, actor, use["tool"]):
        return [line_of(use["line"], ("steps", use["step"], "tool"), why)]
    found = await planned_calls.problems_of_arguments(tx, actor, use["tool"], use["arguments"])
    return [
        line_of(
            use["lines"].get(each.place, use["lines"][""]),
            ("steps", use["step"], "arguments"),
            f"{use['tool']}: {each}",
        )
        for each in found[:MOST_PROBLEMS]
    ]
