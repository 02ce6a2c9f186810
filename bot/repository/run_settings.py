"""The settings of agent runs: templates, from which Hubbub starts workflows as agents."""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from bot.kernel.patterns import Shape
from bot.repository.setting_types import Amount, Group, Label

# The inputs that Hubbub passes to each workflow.
RUN_INPUT = "hubbub_run"
OWN_INPUTS = (RUN_INPUT, "task", "prompt", "model")
# GitHub's limit on the inputs of a workflow, less our own.
MOST_INPUTS = 25 - len(OWN_INPUTS)
# GitHub ends a job after six hours.
LONGEST_MINUTES = 360
MOST_CHILDREN = 100
DEEPEST = 10


def _is_free(name: str) -> str:
    if name in OWN_INPUTS:
        raise ValueError("is an input that Hubbub passes itself")
    return name


def _is_cron(given: str) -> str:
    try:
        if len(given.split()) != 5:
            raise ValueError("must have five fields, as in `0 6 * * 1-5`")
        next(CronSim(given, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as exc:
        raise ValueError("must be times that cron knows, as in `0 6 * * 1-5`") from exc
    return given


TemplateName: TypeAlias = Annotated[
    str,
    Field(max_length=30),
    Shape(
        r"^[a-z][a-z0-9-]*$",
        "must have lower-case letters, digits and hyphens, a letter first",
    ),
]
WorkflowFile: TypeAlias = Annotated[
    str,
    Field(max_length=180),
    Shape(
        r"^[\w.-]+\.ya?ml$",
        "must be the name of a file in .github/workflows, for example agent.yml",
    ),
]
RefName: TypeAlias = Annotated[
    str,
    Field(max_length=200),
    Shape(r"^[^\s/]\S*$", "must be the name of a branch or tag, for example main, without spaces"),
]
InputName: TypeAlias = Annotated[
    str,
    Field(max_length=100),
    Shape(
        r"^[A-Za-z_][\w-]*$",
        "must be the name of an input of the workflow: letters, digits, _ and -",
    ),
    AfterValidator(_is_free),
]
Model: TypeAlias = Annotated[
    str,
    Field(max_length=100),
    # Workflows pass it on the command line, where a hyphen begins an option.
    Shape(
        r"^\w[\w.:/@+-]*$",
        "must be the name of a model, without spaces, and a letter or digit first",
    ),
]
Cron: TypeAlias = Annotated[str, Field(max_length=100), AfterValidator(_is_cron)]


class When(Group):
    """A rule that chooses the model. It applies if all conditions that it names are true."""

    model: Model
    size: Literal["small", "medium", "large"] | None = Field(
        None, description="the size of the task"
    )
    priority: Literal["low", "medium", "high"] | None = Field(
        None, description="the priority of the run"
    )
    label: Label | None = Field(None, description="a label of the task's issue")


class RunLimits(Group):
    """Limits of a run together with all runs below it."""

    minutes: int = Field(
        60, ge=1, le=LONGEST_MINUTES, description="from the start of the run; then it is cancelled"
    )
    children: int = Field(
        10, ge=0, le=MOST_CHILDREN, description="how many runs may be started below it"
    )
    depth: int = Field(3, ge=0, le=DEEPEST, description="how many levels of runs may be below it")
    tokens: Annotated[int, Field(ge=1, lt=2**53)] | None = Field(
        None, description="reported input and output tokens"
    )
    cost: Amount | None = Field(None, description="reported cost, in the currency of the server")
    parallel: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="how many runs of this template run at the same time"
    )


class Template(Group):
    """A workflow that Hubbub starts as an agent."""

    workflow: WorkflowFile = Field(description="the file in .github/workflows")
    ref: RefName | None = Field(
        None, description="the branch or tag to run at; default: the default branch"
    )
    role: Literal["observer", "tester", "developer"] = "developer"
    model: Model | None = Field(None, description="the input `model`")
    when: list[When] = Field(
        [], max_length=20, description="rules; the first that applies chooses the model"
    )
    inputs: dict[InputName, Annotated[str, Field(max_length=2000)]] = Field(
        {}, max_length=MOST_INPUTS, description="more inputs of the workflow"
    )
    prompt: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        None, description="the input `prompt`, unless the caller passes one"
    )
    schedule: Cron | None = Field(
        None, description="when Hubbub starts it by itself: cron with five fields, in UTC"
    )
    limits: RunLimits = RunLimits()


class Runs(Group):
    """All agent runs of this repository together."""

    parallel: int = Field(
        4, ge=1, le=1000, description="how many run at the same time; more wait in a queue"
    )
