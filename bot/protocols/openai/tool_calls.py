"""Runs the calls of a model's turn, each once however often the process dies."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from bot import foreign_json
from bot.errors import Refused, failure
from bot.kernel import argument_errors
from bot.protocols.link import Delivery, Link
from bot.protocols.openai.options import USUAL_TOOLS, Options
from bot.protocols.openai.replies import Call

# Characters of a result that the model gets, and how long a call may take.
LONGEST_RESULT, CALL_S = 24_000, 120.0


def tools_of(link: Link, delivery: Delivery, options: Options) -> list[dict[str, Any]]:
    """The tools of the run: those that the agent may call, of the ones that it should have."""
    wanted = options.tools or USUAL_TOOLS
    return [each for each in link.calls.tools(delivery.actor) if each["name"] in wanted]


@dataclass(frozen=True)
class Held:
    """The task of the run, and its fence, which the model need not repeat."""

    names: frozenset[str] = frozenset()
    fence: int = 0


async def results(
    link: Link,
    delivery: Delivery,
    calls: list[Call],
    tools: list[dict[str, Any]],
    turn: int,
    held: Held,
) -> list[dict[str, Any]]:
    """The messages with the results, in the order of the calls."""
    made = []
    for n, each in enumerate(calls):
        # By turn and place, because some models repeat the ids of calls.
        text = await _result(link, delivery, each, tools, f"{delivery.key}:{turn}:{n}", held)
        made.append({"role": "tool", "tool_call_id": each.id, "content": _bounded_text(text)})
    return made


async def _result(
    link: Link,
    delivery: Delivery,
    call: Call,
    tools: list[dict[str, Any]],
    key: str,
    held: Held,
) -> str:
    try:
        arguments = _parse(call, tools, held)
        async with asyncio.timeout(CALL_S):
            return await link.calls.answer(delivery.actor, call.name, arguments, key)
    except Refused as exc:
        return json.dumps(exc.body(), ensure_ascii=False)
    except TimeoutError:
        return json.dumps(
            Refused("unavailable", f"{call.name} took too long. Ask for less.").body()
        )
    except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
        return json.dumps(failure(exc, tool=call.name).body(), ensure_ascii=False)


def _parse(call: Call, tools: list[dict[str, Any]], held: Held) -> dict[str, Any]:
    """The arguments. Raise Refused."""
    names = [each["name"] for each in tools]
    if call.name not in names:
        near = argument_errors.nearest(call.name, names)
        raise Refused("unknown_operation", f"There is no tool {call.name!r}{near}.")
    try:
        found = foreign_json.value(call.arguments.strip().encode(errors="replace") or b"{}")
    except ValueError as exc:
        raise Refused(
            "invalid_arguments", f"The arguments are no JSON: {exc}. Write one JSON object."
        ) from exc
    # A call without arguments is written so too.
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise Refused("invalid_arguments", "The arguments must be one JSON object.")
    # The run has keys of its own, so that nothing is done twice.
    given = {name: value for name, value in found.items() if name != "key"}
    takes = tools[names.index(call.name)]["parameters"]["properties"]
    about = given.get("task", given.get("issue"))
    if "fence" in takes and isinstance(about, str) and about in held.names:
        given["fence"] = held.fence
    return given


def _bounded_text(text: str) -> str:
    if len(text) <= LONGEST_RESULT:
        return text
    return f"{text[:LONGEST_RESULT]}\n({len(text) - LONGEST_RESULT} characters are left out here)"
