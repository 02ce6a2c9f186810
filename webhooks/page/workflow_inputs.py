"""The fields of a form that starts a workflow: one for each input of its definition."""

from collections.abc import Mapping
from typing import Any

from bot.operations.workflows.listing import InputView
from webhooks.page import step_fields
from webhooks.page.action_table import Field
from webhooks.page.visit import Visit

# Begins the name of a field.
PREFIX = "inputs."
# Definitions of one repository.
MOST = 100


async def of(visit: Visit, sent: Mapping[str, str]) -> dict[str, InputView]:
    """The inputs of the workflow that the form names. Raise Refused."""
    repository, name = sent.get("repository", ""), sent.get("name", "")
    found = await visit.call("list_workflows", state="startable", repository=repository, limit=MOST)
    inputs = [each.inputs for each in found.definitions if each.name == name]
    return inputs[0] if inputs else {}


def fields(inputs: Mapping[str, InputView]) -> tuple[Field, ...]:
    return tuple(_field(name, each) for name, each in inputs.items())


def _field(name: str, given: InputView) -> Field:
    default = step_fields.text_of(given.default)
    words = [given.description or "", f"default: {default}" if default else ""]
    hint = "; ".join(each for each in (*words, "with commas" * (given.type == "list")) if each)
    label = f"{name}: {hint}" if hint else name
    return Field(f"{PREFIX}{name}", label, required=given.required)


def arguments(inputs: Mapping[str, InputView], texts: Mapping[str, str]) -> dict[str, Any]:
    """What the operation gets: each input in its type."""
    found = {
        name: step_fields.as_input(texts[f"{PREFIX}{name}"], each.type)
        for name, each in inputs.items()
        if f"{PREFIX}{name}" in texts
    }
    return {"inputs": found} if found else {}
