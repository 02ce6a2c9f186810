"""A workflow's definition: the inputs and the steps of `.github/hubbub/workflows/NAME.yml`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

from bot.identity.actors import SLUG
from bot.kernel.patterns import KIND, Shape
from bot.repository.repository_settings import Login, without_null
from bot.repository.run_settings import Cron, TemplateName
from bot.repository.setting_types import Group, Label
from bot.tasks.capabilities import Capabilities
from bot.tasks.plans import MOST_DEPENDENCIES, MOST_SUB_ISSUES
from bot.tasks.priorities import Priority
from bot.tasks.sizes import Size
from store.tables.agents import Role

# GitHub's limits on an issue's relations are those of a workflow.
MOST_STEPS, MOST_NEEDS = MOST_SUB_ISSUES, MOST_DEPENDENCIES
LONGEST_TITLE, LONGEST_BODY = 256, 60_000
LONGEST_INPUT = 10_000
MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
LONGEST_DAYS = 90
# Conditions that ask for a label of the parent issue begin with it.
LABEL = "label:"


@dataclass(frozen=True)
class OneOf:
    """For a value of one of several types: one error text for all of them."""

    words: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(handler(kind), KIND, custom_error_message=self.words)


def seconds(duration: str) -> int:
    """How long `30m`, `2h` or `1d` is."""
    return int(duration[:-1]) * MINUTES[duration[-1]] * 60


def _is_bounded(given: str) -> str:
    if seconds(given) > LONGEST_DAYS * 24 * 3600:
        raise ValueError(f"must be at most {LONGEST_DAYS}d")
    return given


def _are_unique(given: list[str]) -> list[str]:
    if twice := next((each for n, each in enumerate(given) if each in given[:n]), None):
        raise ValueError(f"names {twice} twice")
    return given


def _are_unique_labels(given: list[str]) -> list[str]:
    """GitHub has no two labels that differ only in case."""
    _are_unique([each.casefold() for each in given])
    return given


def _as_list(given: Any) -> Any:
    """One capability may stand without the brackets of a list."""
    return [given] if isinstance(given, str) else given


def _gate(given: Any) -> Any:
    """`approve: maintainers` and `approve: [octocat]` are short for a gate by them."""
    return {"by": given} if isinstance(given, str | list) else given


UNIQUE = AfterValidator(_are_unique)
UNIQUE_LABELS = AfterValidator(_are_unique_labels)
StepId: TypeAlias = Annotated[
    str,
    Shape(
        r"^[a-z][a-z0-9-]{0,39}$",
        "must have at most 40 lower-case letters, digits and hyphens, a letter first",
    ),
]
# The names of inputs and outputs, which texts and `key=value` use.
ValueName: TypeAlias = Annotated[
    str,
    Shape(
        r"^[a-z][a-z0-9_-]{0,39}$",
        "must have at most 40 lower-case letters, digits, - and _, a letter first",
    ),
]
Duration: TypeAlias = Annotated[
    str,
    Shape(r"^[1-9][0-9]{0,4}[mhd]$", "must be minutes, hours or days, for example 30m, 2h or 1d"),
    AfterValidator(_is_bounded),
]
Agent: TypeAlias = Annotated[str, Shape(f"^{SLUG}$", "must be the id of an agent")]
# As `call_tool` takes it.
ToolName: TypeAlias = Annotated[
    str,
    Field(max_length=64),
    Shape(
        r"^(tools_)?[a-z0-9][a-z0-9-]*__[A-Za-z0-9_-]+$",
        "must be a tool: SERVER__TOOL, for example linear__create_issue, or tools_REPO__NAME",
    ),
]
Needed: TypeAlias = Annotated[
    Capabilities, BeforeValidator(_as_list, json_schema_input_type=str | Capabilities)
]
Line: TypeAlias = Annotated[str, Field(max_length=200, pattern=r"^\S(.*\S)?$")]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=LONGEST_INPUT)]
InputValue: TypeAlias = str | int | float | bool | list[Text]
Default: TypeAlias = Annotated[
    InputValue,
    OneOf("must be a text, a number, true, false or a list of texts; put a text in quotes"),
]
Logins: TypeAlias = Annotated[list[Login], Field(min_length=1, max_length=20)]
Approvers: TypeAlias = Annotated[
    Literal["maintainers", "writers", "agents"] | Logins,
    OneOf("must be maintainers, writers, agents or a list of GitHub logins"),
]


class Input(Group):
    """A value to pass when the workflow is started."""

    description: Line | None = None
    type: Literal["text", "number", "boolean", "list"] = "text"
    required: bool | None = Field(
        None, description="without this key: an input with a default is not required"
    )
    default: Default | None = None

    @property
    def is_required(self) -> bool:
        return self.default is None


class Policy(Group):
    """Who gets a ready step first."""

    prefer: Annotated[
        list[Literal["capability", "success", "load", "price"]], Field(max_length=4), UNIQUE
    ] = Field([], description="what counts, the most important first")
    reserve: Duration | None = Field(
        None, description="how long a ready step is kept for the best agent"
    )


class Gate(Group):
    """Who has to approve, and how many of them."""

    by: Approvers
    capability: Needed = Field([], description="of the agents that may approve")
    quorum: int = Field(1, ge=1, le=10, description="how many have to approve")


class Compensate(Group):
    """The step that undoes the work after a failure."""

    compensate: StepId


Approval: TypeAlias = Annotated[
    Gate,
    BeforeValidator(
        _gate, json_schema_input_type=Literal["maintainers", "writers"] | Logins | Gate
    ),
]
OnFailure: TypeAlias = Annotated[
    Literal["stop", "continue"] | Compensate,
    OneOf("must be stop, continue or, with the id of a step, {compensate: undo}"),
]
Condition: TypeAlias = Annotated[
    str,
    Field(max_length=60),
    Shape(
        r"^(success|failure|always|label:\S(.*\S)?)$",
        "must be success, failure, always or label:NAME",
    ),
]


class Step(Group):
    """One task of the workflow.

    With `approve` it is a gate that waits for somebody's word, and with `tool` Hubbub does it.
    """

    # The key `if` is no name in Python.
    model_config = ConfigDict(serialize_by_alias=True)

    id: StepId
    title: Annotated[str, Field(max_length=LONGEST_TITLE, pattern=r"^\S(.*\S)?$")]
    body: Annotated[str, Field(max_length=LONGEST_BODY)] = Field(
        "", description="the task in Markdown; a gate and a tool need none"
    )
    needs: Annotated[list[StepId], Field(max_length=MOST_NEEDS), UNIQUE] = Field(
        [], description="the steps that must end first"
    )
    condition: Condition = Field(
        "success", alias="if", description="how those steps must have ended"
    )
    each: ValueName | None = Field(
        None, description="the input with a list; one task is made for each of its entries"
    )
    approve: Approval | None = Field(None, description="makes the step a gate")
    tool: ToolName | None = Field(
        None, description="the tool of a server that Hubbub calls for this step, without an agent"
    )
    arguments: Annotated[dict[str, Any], Field(max_length=50)] = Field(
        {}, description="what the tool gets; texts may name inputs, the item and outputs of steps"
    )
    outputs: Annotated[list[ValueName], Field(max_length=20), UNIQUE] = Field(
        [], description="the values that completing the task must give"
    )
    role: Role | None = Field(None, description="the lowest role of the agent")
    capability: Needed = Field([], description="what the agent must be able to do")
    agent: Agent | None = Field(None, description="the agent that the task is reserved for")
    template: TemplateName | None = Field(
        None, description="the template of hubbub.yml that starts an agent for it"
    )
    priority: Priority = "medium"
    size: Size | None = None
    labels: Annotated[list[Label], Field(max_length=20), UNIQUE_LABELS] = Field([])
    retry: int = Field(0, ge=0, le=10, description="further attempts after a failure")
    timeout: Duration | None = Field(None, description="from when the step can begin")
    on_failure: OnFailure = "stop"

    @property
    def compensation(self) -> str | None:
        """The step that runs if this one fails."""
        return self.on_failure.compensate if isinstance(self.on_failure, Compensate) else None


class Definition(Group):
    """The keys of a workflow file; each key that the file leaves out has its default."""

    description: Line | None = None
    inputs: dict[ValueName, Input] = Field({}, max_length=20)
    schedule: Cron | None = Field(
        None, description="when Hubbub starts it by itself: cron with five fields, in UTC"
    )
    parallel: int = Field(
        10, ge=1, le=MOST_STEPS, description="how many steps may be open at the same time"
    )
    policy: Policy = Policy()
    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS)

    def step(self, step_id: str) -> Step:
        return next(each for each in self.steps if each.id == step_id)

    @property
    def compensations(self) -> frozenset[str]:
        """The steps that run only if another one fails."""
        return frozenset(each.compensation for each in self.steps if each.compensation)


# The models of the keys, by their paths in the file.
GROUPS: dict[tuple[str, ...], type[Group]] = {
    (): Definition,
    ("policy",): Policy,
    ("inputs", "*"): Input,
    ("steps", "*"): Step,
    ("steps", "*", "approve"): Gate,
}


def schema() -> dict[str, Any]:
    """The JSON Schema for editors."""
    made = Definition.model_json_schema()
    for group in (made, *made["$defs"].values()):
        for key, each in group.get("properties", {}).items():
            group["properties"][key] = without_null(each)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "A workflow of Hubbub: .github/hubbub/workflows/NAME.yml",
    }
