"""A tool that consists of calls of other tools: `tools.NAME` in `.github/hubbub.yml`."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from bot.kernel.patterns import Shape
from bot.repository.setting_types import Group

MOST_STEPS, MOST_NEEDS, MOST_CONDITIONS, MOST_ARGUMENTS = 20, 20, 5, 30

Slug: TypeAlias = Annotated[
    str,
    Field(max_length=40),
    Shape(r"^[a-z][a-z0-9_-]*$", "must have lower-case letters, digits, _ and -, a letter first"),
]
ToolName: TypeAlias = Annotated[
    str,
    Field(max_length=64),
    Shape(
        r"^[a-z][a-z0-9-]*__[A-Za-z0-9_-]+$",
        "must be a tool of a mounted server, for example jira__search",
    ),
]
Condition: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500)]
# JSON Schema's types by the words of the file.
TYPES = {
    "text": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "list": "array",
    "object": "object",
}


class ComposedArgument(Group):
    """What the caller passes."""

    type: Literal["text", "number", "integer", "boolean", "list", "object"] = "text"
    description: Annotated[str, StringConstraints(max_length=200)] = ""
    required: bool = True
    default: Any = Field(None, description="makes the argument optional")

    @property
    def is_required(self) -> bool:
        return self.required and self.default is None

    def schema_part(self) -> dict[str, Any]:
        made: dict[str, Any] = {"type": TYPES[self.type]}
        made |= {"description": self.description} if self.description else {}
        return made | ({} if self.default is None else {"default": self.default})


class ComposedStep(Group):
    """One call. It begins when the steps that it needs, or has values of, are over."""

    model_config = ConfigDict(populate_by_name=True)

    id: Slug
    call: ToolName
    values: dict[str, Any] = Field(
        {}, alias="with", max_length=50, description="the arguments of the call"
    )
    conditions: list[Condition] = Field(
        [], alias="if", max_length=MOST_CONDITIONS, description="all must hold; else it is skipped"
    )
    needs: list[Slug] = Field([], max_length=MOST_NEEDS, description="steps that come before")
    on_failure: Literal["stop", "continue"] = Field(
        "stop", description="stop ends the tool with an error"
    )

    @field_validator("conditions", mode="before")
    @classmethod
    def _as_list(cls, given: Any) -> Any:
        """One condition may stand without the brackets of a list."""
        return [given] if isinstance(given, str) else given


class ComposedTool(Group):
    """A chain of calls under one name."""

    description: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    arguments: dict[Slug, ComposedArgument] = Field({}, max_length=MOST_ARGUMENTS)
    steps: list[ComposedStep] = Field(min_length=1, max_length=MOST_STEPS)
    result: Any = Field(None, description="what it answers; without it, the results of all steps")

    def input_schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "type": "object",
            "properties": {name: each.schema_part() for name, each in self.arguments.items()},
            "additionalProperties": False,
        }
        required = [name for name, each in self.arguments.items() if each.is_required]
        return made | ({"required": required} if required else {})
