"""Definitions, steps and gates as the database has them.

An older version of Hubbub may have stored what this one does not accept any more. Then nothing new
is started from it, but a workflow that runs goes on: keys that are not valid have their defaults.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bot.kernel.yaml_file import Unreadable
from bot.workflows.definitions import definition_file
from bot.workflows.definitions.definition import Definition, Gate, Policy, Step

# A gate must never open by itself.
STRICTEST_GATE = Gate(by="maintainers")


def definition(stored: Mapping[str, Any]) -> Definition:
    """Raise Unreadable, with what this version does not accept."""
    try:
        return Definition.model_validate(stored)
    except ValidationError as exc:
        raise Unreadable(*definition_file.problems_of_stored(exc, stored)) from exc


def policy(stored: Mapping[str, Any]) -> Policy:
    """The policy of a workflow that runs."""
    given = stored.get("policy", {})
    try:
        return Policy.model_validate(given)
    except ValidationError as exc:
        return Policy.model_validate(_without(given, exc))


def step(stored: Mapping[str, Any]) -> Step:
    """A step of a workflow that runs. A gate stays one, and no agent gets a step with a tool."""
    try:
        return Step.model_validate(stored)
    except ValidationError as exc:
        named = {"id": "step", "title": "Step"}
        kept = Step.model_validate({**named, **_without(stored, exc)})
    names = {key: str(stored.get(key, value)) for key, value in named.items()}
    approve = gate(stored["approve"]) if stored.get("approve") else None
    tool = str(stored["tool"]) if stored.get("tool") else None
    return kept.model_copy(update={**names, "approve": approve, "tool": tool})


def gate(stored: Any) -> Gate:
    """Maintainers decide about a gate of which this version cannot tell who does."""
    try:
        return Gate.model_validate(stored)
    except ValidationError:
        return STRICTEST_GATE


def _without(stored: Any, invalid: ValidationError) -> dict[str, Any]:
    """The values without the keys that are not valid."""
    wrong = {each["loc"][0] for each in invalid.errors(include_url=False) if each["loc"]}
    return {key: value for key, value in dict(stored).items() if key not in wrong}
