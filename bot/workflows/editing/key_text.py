"""Keys in the text of a definition, and the order in which people write them."""

from typing import Any

from pydantic import BaseModel

from bot.workflows.definitions.definition import Definition, Input, Step
from bot.workflows.editing import yaml_patch
from bot.workflows.editing.edited_values import Values
from bot.workflows.editing.yaml_nodes import Path


def _keys(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(each.alias or name for name, each in model.model_fields.items())


# Where new keys go: below those that stand before them here.
TOP, STEP, INPUT = _keys(Definition), _keys(Step), _keys(Input)


def with_key(
    text: str, values: Values, at: Path, key: str, value: Any, order: tuple[str, ...]
) -> str:
    """Set or remove a key of the mapping at a path."""
    found: Any = values
    for part in at:
        found = found[part]
    if value is None:
        return yaml_patch.remove_key(text, at, key) if key in found else text
    if key in found and found[key] == value and type(found[key]) is type(value):
        return text
    return yaml_patch.set_key(text, at, key, value, order)
