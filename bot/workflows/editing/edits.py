"""The edits of a workflow definition, as the page and the operation `edit_workflow` name them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

StepRef: TypeAlias = Annotated[
    str | int, Field(description="a step's id, or its place: 0 is the first")
]
Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]


class Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddStep(Edit):
    """`step`: its keys, with the id. `after`: the step above it; else it becomes the last one."""

    do: Literal["add_step"]
    step: dict[str, JsonValue]
    after: StepRef | None = None


class RemoveStep(Edit):
    do: Literal["remove_step"]
    step: StepRef


class RenameStep(Edit):
    do: Literal["rename_step"]
    step: StepRef
    to: Id


class SetKey(Edit):
    """`value`: null removes the key."""

    do: Literal["set_key"]
    step: StepRef
    key: Id
    value: JsonValue


class SetArgument(Edit):
    """What the tool of a step gets. `value`: null removes the argument."""

    do: Literal["set_argument"]
    step: StepRef
    argument: Id
    value: JsonValue


class AddNeed(Edit):
    do: Literal["add_need"]
    step: StepRef
    need: Id


class RemoveNeed(Edit):
    do: Literal["remove_need"]
    step: StepRef
    need: Id


class SetTop(Edit):
    """A key of the file itself, such as `description`. `value`: null removes it."""

    do: Literal["set_top"]
    key: Id
    value: JsonValue


class SetInput(Edit):
    """`value`: its keys; null removes the input."""

    do: Literal["set_input"]
    input: Id
    value: dict[str, JsonValue] | None


class RenameInput(Edit):
    do: Literal["rename_input"]
    input: Id
    to: Id


AnyEdit: TypeAlias = Annotated[
    AddStep
    | RemoveStep
    | RenameStep
    | SetKey
    | SetArgument
    | AddNeed
    | RemoveNeed
    | SetTop
    | SetInput
    | RenameInput,
    Field(discriminator="do"),
]
