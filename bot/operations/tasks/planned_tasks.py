"""The arguments of a task that is to be made."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from bot.kernel.operation import TaskRef
from bot.operations.arguments import NOT_BLANK
from bot.tasks.capabilities import Capability
from bot.tasks.plans import MOST_DEPENDENCIES
from bot.tasks.priorities import Priority
from bot.tasks.sizes import Size

# Every agent pays for a description, and those of create_task say the same.
UNDESCRIBED = WithJsonSchema({"type": "string"})
LabelName: TypeAlias = Annotated[str, Field(min_length=1, max_length=50)]
Labels: TypeAlias = Annotated[
    list[LabelName], Field(max_length=50, description="labels of the repository")
]
Blockers: TypeAlias = Annotated[
    list[Annotated[TaskRef, UNDESCRIBED]],
    Field(max_length=MOST_DEPENDENCIES, description="what must close first"),
]

DuplicateOk: TypeAlias = Annotated[bool, Field(description="even if a recent one has this title")]


class PlannedTask(BaseModel):
    """A task to make. `id` is its name in this call; `blocked_by` and `parent` may name such."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=40)]
    title: Annotated[str, Field(min_length=1, max_length=256), NOT_BLANK]
    body: Annotated[str, Field(max_length=60_000)] = ""
    priority: Priority = "medium"
    size: Size | None = None
    capabilities: Annotated[list[Annotated[Capability, UNDESCRIBED]], Field(max_length=20)] = []
    labels: Annotated[list[LabelName], Field(max_length=50)] = []
    blocked_by: Annotated[
        list[Annotated[TaskRef, UNDESCRIBED]], Field(max_length=MOST_DEPENDENCIES)
    ] = []
    parent: Annotated[TaskRef | None, UNDESCRIBED] = None


class PlannedStep(PlannedTask):
    """A step of a workflow, or its parent. Keys of steps are longer than names in a call."""

    id: Annotated[str, Field(min_length=1, max_length=60)]
