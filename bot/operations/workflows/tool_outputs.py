"""What a step gives of what its tool answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.references import as_text
from bot.kernel.sentences import shorten
from bot.mounts import result_files
from bot.mounts.compositions.step_results import value_of
from bot.mounts.tool_results import Whole
from bot.operations.tools.calling import ToolCalled
from bot.workflows.definitions.definition import Step
from bot.workflows.definitions.tool_values import size
from bot.workflows.execution.shared_values import LONGEST_OUTPUT

# On the card, of an answer that is no text.
LONGEST_RESULT = 400
MOST_NOTES = 10


async def of(ctx: Context, owner: str, step: Step, answer: ToolCalled) -> dict[str, Any]:
    """The outputs. All of an answer of which one is cut is kept as a file of the step's task."""
    values = values_of(step, answer)
    file = None
    if answer.whole is None and any(map(is_long, values.values())):
        found = answered_value(answer)
        whole = Whole(as_text(found), is_json=not isinstance(found, str))
        _, file = await result_files.keep_whole(ctx, owner, answer.tool, whole)
    return outputs_of(values, answer, file)


def values_of(step: Step, answer: ToolCalled) -> dict[str, Any]:
    """The values of the outputs. Raise Refused if something lacks.

    Without declared outputs, and with one that the result does not have, this is the whole result.
    """
    whole = answered_value(answer)
    found = whole if isinstance(whole, dict) else {}
    names = step.outputs or ["result"]
    if len(names) == 1 and names[0] not in found:
        found = {names[0]: whole}
    if missing := [name for name in names if found.get(name) is None]:
        raise Refused(
            "tool_unavailable",
            f"the answer of {answer.tool} has no {' and no '.join(missing)}, which the step gives",
        )
    return {name: found[name] for name in names}


def answered_value(answer: ToolCalled) -> Any:
    """The structured result, or else the text, which may be JSON."""
    return value_of(answer.text) if answer.structured is None else answer.structured


def is_long(value: Any) -> bool:
    return size(value) > LONGEST_OUTPUT


def outputs_of(
    values: Mapping[str, Any], answer: ToolCalled, file: str | None = None
) -> dict[str, Any]:
    """The outputs within their limit, with where they are from. `file`: about all of the answer."""
    cut = {name: as_text(value) for name, value in values.items() if is_long(value)}
    notes = [f"{name} was cut: it has {len(text)} characters" for name, text in cut.items()]
    notes = [*answer.left_out, *([file] if file else []), *notes]
    # Each character may take two in JSON.
    short = {name: text[: LONGEST_OUTPUT // 2] for name, text in cut.items()}
    marks: dict[str, Any] = {"source": answer.source, "trusted": False}
    return {**values, **short, **marks, **({"left_out": notes[:MOST_NOTES]} if notes else {})}


def summary(outputs: dict[str, Any]) -> str:
    """For the card, in one line for each."""
    names: Sequence[str] = [name for name in outputs if name not in ("source", "trusted")]
    lines = [f"{name}: {_line(outputs[name])}" for name in names]
    return "\n".join([*lines, f"from {outputs['source']}"])


def _line(value: Any) -> str:
    return shorten(" ".join(as_text(value).split()), LONGEST_RESULT)
