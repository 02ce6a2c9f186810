"""What is wrong with a call that a file plans, as far as it is known before the call."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.references import OPENING
from bot.tools import tool_arguments, tool_finding
from bot.tools.tool_arguments import Problem
from store.engine.transaction import Tx

SENT = " Nothing was sent."


async def problem_of_tool(tx: Tx, actor: Actor, tool: str) -> str | None:
    """Why the actor could not call the tool now."""
    try:
        tool_finding.check(actor, await tool_finding.find(tx, actor, tool))
    except Refused as exc:
        return exc.message.replace(SENT, "")
    return None


async def problems_of_arguments(
    tx: Tx, actor: Actor, tool: str, arguments: Mapping[str, Any]
) -> list[Problem]:
    """What the tool does not take, whatever the references in the arguments become."""
    try:
        found = await tool_finding.find(tx, actor, tool)
    except Refused:
        return []
    schema = found.row["input_schema"]
    given = tool_arguments.with_types(schema, arguments)
    left_open = list(_with_references(arguments))
    return [
        each
        for each in tool_arguments.problems(schema, given)
        if each.is_of_name or not any(_may_change(each.place, place) for place in left_open)
    ]


def _with_references(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """The places of texts with references."""
    if isinstance(value, str) and OPENING in value:
        yield tool_arguments.place_name(path)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _with_references(each, (*path, name))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _with_references(each, (*path, n))


def _may_change(problem: str, reference: str) -> bool:
    """Whether what is wrong at one place may depend on a reference at another one."""
    return reference.startswith(problem) or problem.startswith(reference)
