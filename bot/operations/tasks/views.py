"""What answers show of tasks."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from bot.kernel.operation import Answer
from bot.kernel.sentences import shorten
from bot.operations.files.views import Files
from bot.operations.github.texts import Text
from bot.operations.github.writing import Queued
from bot.operations.tasks.related import Around
from bot.operations.tasks.spend_views import NOT_CHECKED, Used
from bot.operations.workflows.step_blocks import StepBlock
from bot.tasks import lookup
from bot.tasks.path_overlap import Overlap
from bot.tasks.priorities import PRIORITIES, Priority
from bot.tasks.sizes import SIZES, Size
from bot.times import stamp
from store.tables.tasks import TaskState
from store.tasks.listing import ListedTask
from store.tasks.tasks import ENDED, FullTask

# Of `title_by`.
BY_OUTSIDER = "who wrote the title, if nobody whom the repository trusts"


class Task(BaseModel):
    id: str
    task: str = Field(description="owner/repo#12, or the id until GitHub has numbered the issue")
    repository: str
    number: int | None = None
    title: str
    title_by: str | None = Field(
        None,
        description=BY_OUTSIDER,
        exclude_if=lambda who: who is None,
    )
    state: TaskState | Literal["blocked"]
    blocked_by: list[str] = Field(
        [], description="the open issues that it waits for", exclude_if=lambda names: not names
    )
    ready_for: str | None = Field(
        None,
        description="the agents that can claim it; absent if every agent can, or only you",
        exclude_if=lambda who: who is None,
    )
    held: bool = Field(False, description="whether somebody put it on hold")
    held_by: str | None = Field(None, description="who put it on hold")
    held_why: str | None = Field(None, description="why it is on hold")
    priority: Priority = "medium"
    size: Size | None = None
    capabilities: list[str] = []
    holder: str | None = Field(
        None, description="who has claimed it: an agent's id, or a person's @login"
    )
    last_holder: str | None = Field(
        None, description="of an ended task", exclude_if=lambda holder: holder is None
    )
    fence: int
    lease_expires_at: str | None = None
    assigned_to: str | None = None
    progress: int = 0
    note: str | None = None
    result: str | None = None
    decision: str | None = Field(None, description="who ended or retried it, and why")
    question: str | None = Field(
        None, description="the holder's question to people, until somebody answers"
    )
    branch: str | None = None
    pull_request: int | None = None
    created_at: str
    updated_at: str


# What the caller of an operation about one task knows already.
KNOWN = frozenset(
    [
        "id",
        "repository",
        "number",
        "title",
        "title_by",
        "size",
        "capabilities",
        "note",
        "result",
        "progress",
        "branch",
        "question",
        "created_at",
        "updated_at",
    ]
)


class OneTask(Answer):
    omitted = MappingProxyType({"task": KNOWN})

    task: Task
    cleaned: list[str] = Field(
        [],
        description="what was changed in your texts before people read them",
        exclude_if=lambda cleaned: not cleaned,
    )


class TaskAndThread(OneTask):
    """A task with related issues and pull requests, and with what people wrote about it."""

    omitted = MappingProxyType(
        {
            "task": {"id", "repository", "number", "created_at"},
            "around": {"pull_requests": {"__all__": {"changed_files"}}},
        }
    )

    around: Around
    step: StepBlock | None = Field(
        None, description="of its workflow", exclude_if=lambda step: step is None
    )
    issue: Text | None = None
    comments: list[Text] = Field([], description="the newest comments, in order of time")
    attachments: Files = ()
    reported_usage: list[Used] = Field(
        [], description=NOT_CHECKED, exclude_if=lambda reported: not reported
    )
    overlaps: list[Overlap] = Field(
        [],
        description="other claims and open pull requests on the same paths, if it is claimed",
        exclude_if=lambda overlaps: not overlaps,
    )

    def lean(self) -> Self:
        if not self.around.pull_requests:
            return self
        shown = [each.lean(self.task.title) for each in self.around.pull_requests]
        return self.model_copy(
            update={"around": self.around.model_copy(update={"pull_requests": shown})}
        )


# The longest title of a line.
LONGEST_TITLE = 80


class TaskLine(BaseModel):
    """A task in a list: what decides whether to look at it. get_task has the rest."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(description="owner/repo#12, or the id until GitHub has numbered the issue")
    title: str = Field(description="at most 80 characters of it")
    title_by: str | None = Field(
        None,
        description=BY_OUTSIDER,
        exclude_if=lambda who: who is None,
    )
    state: TaskState | Literal["blocked"]
    blocked_by: list[str] = []
    ready_for: str | None = None
    held: bool = False
    priority: Priority = "medium"
    capabilities: list[str] = []
    holder: str | None = None
    last_holder: str | None = None
    assigned_to: str | None = None
    pull_request: int | None = None


Detail: TypeAlias = Literal["line", "full"]


def short_view(row: FullTask, blocked_by: Sequence[str] = (), ready_for: str | None = None) -> Task:
    """The task with the first words of its long texts, as lists show it."""
    task = task_view(row, blocked_by)
    texts = {name: getattr(task, name) for name in ("note", "result", "question", "held_why")}
    short = {name: text and shorten(text) for name, text in texts.items()}
    return task.model_copy(update={**short, "ready_for": ready_for})


def line_view(
    row: ListedTask, blocked_by: Sequence[str] = (), ready_for: str | None = None
) -> TaskLine:
    """`blocked_by`: what it waits for, where the answer says so. `ready_for`: who can claim it."""
    return TaskLine(
        task=lookup.name(row),
        title=shorten(row["title"], LONGEST_TITLE),
        title_by=row["outsider"],
        state="blocked" if blocked_by else row["state"],
        blocked_by=list(blocked_by),
        ready_for=ready_for,
        last_holder=row["last_holder"] if row["state"] in ENDED else None,
        held=bool(row["held"]),
        priority=PRIORITIES[row["priority"]],
        capabilities=row["capabilities"],
        holder=row["holder"],
        assigned_to=row["assigned_to"],
        pull_request=row["pull_number"],
    )


class Tasks(Answer):
    # A list, because pydantic writes a Sequence slowly, in Python.
    tasks: list[TaskLine | Task]
    next_cursor: str | None = None
    events_cursor: str = Field(description="wait_for_events continues from it")
    hint: str | None = Field(
        None,
        description="why you can claim none of the ready tasks now",
        exclude_if=lambda hint: hint is None,
    )


class Created(OneTask):
    writes: list[Queued] = Field(
        description="the write of the issue, then those of its parent and blockers"
    )
    hint: str | None = Field(
        None, description="what follows from the relations", exclude_if=lambda hint: hint is None
    )


def task_view(row: FullTask, blocked_by: Sequence[str] = ()) -> Task:
    """`row`: from `task_titles`. `blocked_by`: what it waits for, where the answer says so."""
    return Task(
        id=row["id"],
        task=lookup.name(row),
        repository=row["full_name"],
        number=row["number"],
        title=row["title"],
        title_by=row["outsider"],
        state="blocked" if blocked_by else row["state"],
        blocked_by=list(blocked_by),
        last_holder=row["last_holder"] if row["state"] in ENDED else None,
        held=bool(row["held"]),
        held_by=row["held_by"],
        held_why=row["held_why"],
        priority=PRIORITIES[row["priority"]],
        size=None if row["size"] is None else SIZES[row["size"]],
        capabilities=row["capabilities"],
        holder=row["holder"],
        fence=row["fence"],
        lease_expires_at=row["expires_at"] and stamp(row["expires_at"]),
        assigned_to=row["assigned_to"],
        progress=row["progress"],
        note=row["note"],
        result=row["result"],
        decision=row["decision"],
        question=row["question"],
        branch=row["branch"],
        pull_request=row["pull_number"],
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )
