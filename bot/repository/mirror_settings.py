"""The settings of `mirror`: how issues of a foreign tracker become tasks."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from bot.repository.setting_types import Group, Label

# The states of a task that a foreign tracker can be told of.
Reported: TypeAlias = Literal["in_progress", "in_review", "completed", "failed", "cancelled"]
ForeignPriority: TypeAlias = Literal["low", "medium", "high"]
ForeignLabel: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
ForeignLabels: TypeAlias = Annotated[list[ForeignLabel], Field(max_length=50)]


class Mirror(Group):
    """How issues of a foreign tracker become tasks here, once a tech-lead connected one."""

    labels: ForeignLabels = Field(
        ["agent-task"], description="an issue there with all of these labels becomes a task"
    )
    priorities: dict[ForeignLabel, ForeignPriority] = Field(
        {}, max_length=50, description="labels there, and the priority that each one means"
    )
    copied_labels: dict[ForeignLabel, Label] = Field(
        {}, max_length=50, description="labels there, and the label that each one is here"
    )
    cancelled: ForeignLabels = Field(
        ["duplicate", "invalid", "wontfix"],
        description="an issue that is closed there with one of these is cancelled, not completed",
    )
    reports: Annotated[list[Reported], Field(max_length=5)] = Field(
        ["in_progress", "in_review", "completed", "failed", "cancelled"],
        description="the states of a task that a comment there reports",
    )
    closes: bool = Field(
        default=False, description="whether a completed task closes its issue there"
    )
    most_waiting: int = Field(
        20, ge=1, le=500, description="how many new issues wait for GitHub at once"
    )
