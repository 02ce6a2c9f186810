"""The fields of the builder's form: each key of a step, or of the file, as a text and back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bot.kernel.yaml_file import Unreadable
from bot.tasks.priorities import PRIORITIES
from bot.tasks.sizes import SIZES
from bot.workflows.editing import draft_file, yaml_writing

Kind: TypeAlias = Literal["line", "text", "choice", "list", "number"]
Edits: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class StepField:
    """A key that people fill in. `hint`: what may stand there."""

    key: str
    label: str
    kind: Kind = "line"
    hint: str = ""
    choices: Sequence[str] = ()


STEP_FIELDS = (
    StepField("title", "Title", hint="may use ${{ inputs.NAME }} and ${{ item }}"),
    StepField("body", "What to do", "text", "Markdown; a gate and a tool need none"),
    StepField(
        "if", "Runs if the steps before ended with", hint="success, failure, always or label:NAME"
    ),
    StepField("each", "Once for each entry of the input"),
    StepField("outputs", "Outputs", "list", "names, with commas"),
    StepField(
        "role", "Lowest role", "choice", choices=("observer", "tester", "developer", "tech-lead")
    ),
    StepField("capability", "Capabilities", "list", "with commas"),
    StepField("agent", "Reserved for the agent"),
    StepField("template", "Starts an agent of the template"),
    StepField("priority", "Priority", "choice", choices=PRIORITIES),
    StepField("size", "Size", "choice", choices=SIZES),
    StepField("labels", "Labels", "list", "with commas"),
    StepField("retry", "Further attempts", "number", "0 to 10"),
    StepField("timeout", "Time-out", hint="30m, 2h or 1d"),
)
TOOL_FIELD = StepField("tool", "Tool", hint="SERVER__TOOL, or tools_REPO__NAME")
# What only an agent needs.
NOT_OF_A_TOOL = ("role", "capability", "agent", "template", "size")
FILE_FIELDS = (
    StepField("description", "Description"),
    StepField("parallel", "Most steps open at the same time", "number", "1 to 100"),
    StepField("schedule", "Starts by itself", hint="cron with five fields, in UTC"),
)
INPUT_FIELDS = (
    StepField("description", "Description"),
    StepField("type", "Type", "choice", choices=("text", "number", "boolean", "list")),
    StepField("default", "Default", hint="a list with commas"),
)
# How a step that compensates begins in the list of what a failure does.
COMPENSATE = "compensate: "
NUMBER = re.compile(r"-?[0-9]{1,18}")


def text_of(value: Any) -> str:
    """A value as the form shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {text_of(each)}" for key, each in value.items())
    return str(value)


def value_of(field: StepField, text: str) -> Any:
    """The value of what a person wrote. None removes the key. What is wrong stays as it is."""
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return None
    if field.kind == "list":
        return names_in(text)
    if field.kind == "number" and (number := number_in(text)) is not None:
        return number
    return text if field.kind == "text" else text.strip()


def number_in(text: str) -> int | None:
    """A whole number. Python refuses to convert a very long one, which stays a text."""
    return int(text) if NUMBER.fullmatch(text.strip()) else None


def names_in(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def changes_of(
    fields: Sequence[StepField], values: Mapping[str, Any], sent: Mapping[str, str], prefix: str
) -> dict[str, Any]:
    """The keys whose text the person changed, with their new values."""
    found = {}
    for each in fields:
        text = sent.get(f"{prefix}{each.key}")
        old = text_of(values.get(each.key)).strip()
        if text is not None and text.replace("\r\n", "\n").strip() != old:
            found[each.key] = value_of(each, text)
    return found


def gate_text(value: Any) -> dict[str, str]:
    """The fields of `approve`."""
    gate = value if isinstance(value, dict) else {"by": value}
    return {key: text_of(gate.get(key)) for key in ("by", "capability", "quorum")}


def gate_value(sent: Mapping[str, str]) -> Any:
    """`approve` in its shortest form."""
    by: Any = sent.get("gate.by", "").strip()
    if by not in ("maintainers", "writers", "agents"):
        by = names_in(by)
    quorum: Any = sent.get("gate.quorum", "").strip()
    quorum = quorum if (number := number_in(quorum)) is None else number
    more = {"capability": names_in(sent.get("gate.capability", "")), "quorum": quorum}
    more = {key: each for key, each in more.items() if each not in ([], "", 1)}
    return {"by": by, **more} if more or by == "agents" else by


def argument_text(value: Any) -> str:
    """An argument on one line, as it may stand in the file."""
    return yaml_writing.inline(value)


def argument_value(text: str) -> Any:
    """The value of what a person wrote, as YAML: `3` is a number. None removes the argument."""
    if not text.strip():
        return None
    try:
        return draft_file.read(f"value: {text.strip()}\n").get("value")
    except Unreadable:
        return text.strip()


def failure_text(value: Any) -> str:
    """What is chosen of what a failure does."""
    if isinstance(value, dict) and "compensate" in value:
        return f"{COMPENSATE}{text_of(value['compensate'])}"
    return text_of(value)


def failure_value(text: str) -> Any:
    if text.startswith(COMPENSATE):
        return {"compensate": text.removeprefix(COMPENSATE)}
    return text or None


def input_value(sent: Mapping[str, str], name: str, old: Any) -> dict[str, Any]:
    """An input with what the form says of it. Its other keys stay."""
    values = dict(old) if isinstance(old, dict) else {}
    for key, each in changes_of(INPUT_FIELDS, values, sent, f"input.{name}.").items():
        values[key] = each
    default = values.get("default")
    if isinstance(default, str):
        values["default"] = as_input(default, values.get("type") or "text")
    return {key: each for key, each in values.items() if each is not None}


def as_input(text: str, kind: str) -> Any:
    """A text as the value of an input. What does not fit stays a text, so that it is refused."""
    if kind == "list":
        return names_in(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "number" and (number := number_in(text)) is not None:
        return number
    return text
