"""The settings of a repository, from `.github/hubbub.yml` on its default branch."""

import json
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Field, ValidationError, create_model

from bot.identity.actors import ROLES
from bot.identity.permissions import RULES, lowest_role
from bot.kernel.patterns import Shape
from bot.kernel.yaml_file import ANY, matches_any
from bot.repository.composed_tools import file_checks
from bot.repository.composed_tools.definition import ComposedTool, Slug
from bot.repository.mirror_settings import Mirror
from bot.repository.run_settings import RunLimits, Runs, Template, TemplateName, When
from bot.repository.setting_types import Amount, Group, Label, Name
from store.engine.transaction import Tx
from store.mirror import settings_files

Permission: TypeAlias = Literal["read", "triage", "write", "maintain", "admin"]
# GitHub's permissions, from lowest to highest.
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
# A repository may raise what the permission table asks for, and never lower it.
ToAsk: TypeAlias = Literal["triage", "write", "maintain", "admin"]
ToDecide: TypeAlias = Literal["write", "maintain", "admin"]
# In place of a role: no agent may do it, whatever its role.
NOBODY = "nobody"

WorkflowPath: TypeAlias = Annotated[
    str,
    Field(max_length=200),
    Shape(
        r"^\.github/workflows/[^/@\s]+\.ya?ml$",
        "must be the path of a workflow, for example .github/workflows/agent.yml",
    ),
]
Ref: TypeAlias = Annotated[
    str,
    Field(max_length=255),
    Shape(
        r"^refs/(heads|tags)/\S+$",
        "must be a branch or tag with its prefix, for example refs/heads/main or refs/tags/v1",
    ),
]
EventName: TypeAlias = Annotated[
    str,
    Field(max_length=50),
    Shape(r"^[a-z_]+$", "must be an event that starts workflows, for example workflow_dispatch"),
]
AgentName: TypeAlias = Annotated[
    str,
    Field(max_length=30),
    Shape(
        r"^[a-z0-9][a-z0-9-]*$",
        "must have lower-case letters, digits and hyphens, a hyphen not first",
    ),
]
Login: TypeAlias = Annotated[
    str,
    Field(max_length=100),
    Shape(
        r"^[A-Za-z0-9][A-Za-z0-9-]*(\[bot\])?$",
        "must be a GitHub login, for example devin-ai-integration[bot]",
    ),
]
# People without any permission can cause other events, and so decide when an agent runs.
EVENTS = ("workflow_dispatch", "repository_dispatch", "schedule", "push")


class Statuses(Group):
    """The option of the board's field for each state of a task. None: by its usual name."""

    pending: Name | None = None
    assigned: Name | None = None
    in_progress: Name | None = None
    in_review: Name | None = None
    completed: Name | None = None
    failed: Name | None = None
    cancelled: Name | None = None


class Priorities(Group):
    """The option of the board's field for each priority. None: by its usual name."""

    high: Name | None = None
    medium: Name | None = None
    low: Name | None = None


class Sizes(Group):
    """The option of the board's field for each size. None: by its usual name."""

    small: Name | None = None
    medium: Name | None = None
    large: Name | None = None


Outcome: TypeAlias = Literal["fail", "neutral", "ignore"]


class Check(Group):
    """Hubbub's check on pull requests: where it runs, and what it finds fault with."""

    pulls: Literal["tasks", "all", "none"] = Field(
        "tasks", description="which pull requests get it: those of tasks, all, or none"
    )
    second_pull: Outcome = Field("fail", description="the task has another open pull request")
    not_holder: Outcome = Field("fail", description="somebody else holds the task")
    unclaimed: Outcome = Field("ignore", description="nobody holds the task")
    reserved_paths: Outcome = Field(
        "fail", description="it changes paths that another claim reserved"
    )
    workflow_files: Outcome = Field(
        "fail",
        description="it changes a workflow file of Hubbub, or these settings, so that they cannot "
        "be used",
    )
    workflow_tools: Outcome = Field(
        "neutral",
        description="a workflow file that it changes calls tools that could not be called so now",
    )
    approvals: int = Field(
        0, ge=0, le=10, description="so many agents must approve, unless a person does; 0: none"
    )


class Board(Group):
    """The project that shows the tasks."""

    project: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        description="the number in the project's address: 4 in /orgs/acme/projects/4"
    )
    field: Name = Field("Status", description="the single-select field that shows the state")
    statuses: Statuses = Statuses()
    priority_field: Name | None = Field(
        None, description="the single-select field that shows the priority"
    )
    priorities: Priorities = Priorities()
    size_field: Name | None = Field(None, description="the single-select field that shows the size")
    sizes: Sizes = Sizes()


class Permissions(Group):
    """The minimum permission on the repository for each slash command."""

    ask: ToAsk = "triage"
    assign: ToDecide = "write"
    block: ToDecide = "write"
    cancel: ToDecide = "write"
    claim: ToDecide = "write"
    done: ToDecide = "write"
    hold: ToDecide = "write"
    invite: ToDecide = "write"
    override: ToDecide = "write"
    priority: ToDecide = "write"
    release: ToDecide = "write"
    resume: ToDecide = "write"
    retry: ToDecide = "write"
    run: ToDecide = "write"
    unblock: ToDecide = "write"
    # Each gate says itself who may decide it.
    approve: Permission = "read"
    reject: Permission = "read"
    agents: Permission = "read"
    plan: Permission = "read"
    spend: Permission = "read"
    status: Permission = "read"
    why: Permission = "read"

    def permission_for(self, verb: str) -> Permission:
        found: Permission = getattr(self, verb)
        return found


class Workflow(Group):
    """A workflow whose runs may call Hubbub as an agent."""

    path: WorkflowPath
    refs: list[Ref] = Field(
        [], max_length=20, description="the branches and tags; none: only the default branch"
    )
    events: list[EventName] = Field(
        list(EVENTS), min_length=1, max_length=20, description="the events that may start the run"
    )
    role: Literal["observer", "tester", "developer"] = "developer"
    agent: AgentName | None = Field(
        None, description="one agent for all runs: actions-<repository id>-<agent>"
    )


class Actions(Group):
    """What runs of GitHub Actions may do here. Without a workflow: nothing."""

    workflows: list[Workflow] = Field([], max_length=50)
    protected_refs_only: bool = Field(
        default=False, description="whether a run must be at a protected branch or tag"
    )


class Plans(Group):
    """The plans that agents propose for their tasks, and who approves them."""

    approve_above: int = Field(
        0,
        ge=0,
        le=100,
        description="a plan of at most so many tasks needs no approval; 0: each needs one",
    )
    agents_may_approve: bool = Field(
        default=False, description="whether a tech-lead that is an agent may approve plans"
    )


class Spend(Group):
    """Caps on what agents report to have spent, in the currency of the server."""

    task: Amount | None = Field(None, description="on each task, since it exists")
    agent: Amount | None = Field(
        None, description="on a day of each agent; beyond it the agent claims nothing here"
    )
    repository: Amount | None = Field(
        None, description="on a day of all agents together, on this repository's tasks"
    )


class Digest(Group):
    """A comment on one issue that lists what needs a person, what runs and what ended."""

    issue: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        description="the number of an issue of this repository"
    )
    every: Literal["hour", "day", "week"] = "day"


Action: TypeAlias = Literal["show", "mark", "withhold"]


class Texts(Group):
    """How agents get texts of people without write access, and of bots."""

    others: Literal["auto", "show", "mark", "withhold"] = Field(
        "auto",
        description="texts of people without write access; auto: mark on a public repository, "
        "show on a private one",
    )
    bots: Action = Field("mark", description="texts of other Apps")
    longest_untrusted: int = Field(
        4000, ge=200, le=60_000, description="how many characters of a marked text agents get"
    )
    edited_after_claim: Action = Field(
        "mark", description="texts that somebody edited after the agent claimed the task"
    )


def _agents() -> type[Group]:
    """A group with a field for each operation for which a repository may raise the role.

    Its default is what the permission table asks for. A lower role is no value of the field.
    """
    fields: dict[str, Any] = {}
    for name, rule in RULES.items():
        if rule.narrows:
            lowest = lowest_role(name)
            values = (*ROLES[ROLES.index(lowest) :], NOBODY)
            fields[name] = (Literal[values], lowest)
    doc = "The minimum role of an agent for each operation in this repository; nobody forbids it."
    return create_model("Agents", __base__=Group, __doc__=doc, **fields)


Agents = _agents()


class RepositorySettings(Group):
    """The keys of `.github/hubbub.yml`; each key that the file leaves out has its default."""

    task_label: Label = Field("agent-task", description="an issue with this label is a task")
    lease_s: int = Field(
        900,
        ge=60,
        le=86_400,
        description="how many seconds a claim lasts if the agent passes no length",
    )
    max_failures: int = Field(
        3,
        ge=1,
        le=100,
        description="after so many leases that expired or failed, the task is put on hold",
    )
    max_claims: int = Field(
        3,
        ge=1,
        le=1000,
        description="how many tasks an agent may work on at once; those in review do not count",
    )
    agents_may_merge: bool = Field(
        default=False, description="whether agents may merge pull requests"
    )
    permissions: Permissions = Permissions()
    actions: Actions = Actions()
    texts: Texts = Texts()
    check: Check = Check()
    agents: Agents = Agents()  # type: ignore[valid-type]
    runs: Runs = Runs()
    board: Board | None = None
    plans: Plans = Plans()
    spend: Spend | None = None
    mirror: Mirror = Mirror()
    digest: Digest | None = None
    hosted_agents: dict[AgentName, Annotated[list[Login], Field(max_length=20)]] = Field(
        {},
        max_length=20,
        description="more logins of agents that GitHub hosts, by system: they take the tasks that "
        "are assigned to them",
    )
    templates: dict[TemplateName, Template] = Field(
        {}, max_length=50, description="workflows that Hubbub starts as agents, by name"
    )
    tools: dict[Slug, ComposedTool] = Field(
        {}, max_length=50, description="tools that consist of calls of other tools, by name"
    )


DEFAULTS = RepositorySettings()
# Each group of keys by its path in the file.
GROUPS: dict[tuple[str, ...], type[Group]] = {
    (): RepositorySettings,
    ("permissions",): Permissions,
    ("actions",): Actions,
    ("texts",): Texts,
    ("check",): Check,
    ("agents",): Agents,
    ("runs",): Runs,
    ("board",): Board,
    ("board", "statuses"): Statuses,
    ("board", "priorities"): Priorities,
    ("board", "sizes"): Sizes,
    ("plans",): Plans,
    ("spend",): Spend,
    ("digest",): Digest,
    ("mirror",): Mirror,
}
# What each entry of a list of groups, or each value of a mapping of names to groups, is.
ENTRIES: dict[tuple[str, ...], type[Group]] = {
    ("actions", "workflows", ANY): Workflow,
    ("templates", ANY): Template,
    ("templates", ANY, "limits"): RunLimits,
    ("templates", ANY, "when", ANY): When,
    **file_checks.ENTRIES,
}


def group_at(where: tuple[str, ...]) -> type[Group]:
    return GROUPS.get(where) or next(
        group for pattern, group in ENTRIES.items() if matches_any([pattern], where)
    )


async def of(tx: Tx, installation_id: int, repository_id: int) -> RepositorySettings:
    """The settings in force."""
    row = await settings_files.get(tx, installation_id, repository_id)
    return parse_or_default(row["settings"] if row else None)


def parse_or_default(settings: str | None) -> RepositorySettings:
    """`settings`: the column of the repository's row, if it has one."""
    return DEFAULTS if settings is None else parse(settings)


@lru_cache(256)
def parse(settings: str) -> RepositorySettings:
    """Stored settings. What an older version allowed and this one does not has its default."""
    try:
        return RepositorySettings.model_validate_json(settings)
    except ValidationError as exc:
        return RepositorySettings.model_validate(_without(json.loads(settings), exc))


def _without(stored: dict[str, Any], invalid: ValidationError) -> dict[str, Any]:
    """The settings without the keys that are invalid."""
    for error in invalid.errors(include_url=False):
        *groups, key = error["loc"]
        at: Any = stored
        for each in groups:
            at = at[each]
        del at[key]
    return stored


def narrows(settings: RepositorySettings) -> bool:
    """Whether they allow agents or people less than the permission table does."""
    return (settings.agents, settings.permissions) != (DEFAULTS.agents, DEFAULTS.permissions)


def allows(permission: str, needed: Permission) -> bool:
    """Whether a permission on the repository is high enough."""
    least = PERMISSIONS[PERMISSIONS.index(needed) :]
    return permission in least


def schema() -> dict[str, Any]:
    """The JSON Schema for editors."""
    made = RepositorySettings.model_json_schema()
    # A file without one of these leaves the key out: no value in the file may be null.
    for group in (made, *made["$defs"].values()):
        for key, each in group.get("properties", {}).items():
            group["properties"][key] = without_null(each)
    for group, keys in (("Spend", made["$defs"]["Spend"]["properties"]), ("RunLimits", ("cost",))):
        for key in keys:
            each = made["$defs"][group]["properties"][key]
            amount = {
                name: each.pop(name) for name in ("maxLength", "pattern", "type") if name in each
            }
            each["anyOf"] = [{"type": "number", "exclusiveMinimum": 0}, amount]
    step = made["$defs"]["ComposedStep"]["properties"]
    # One condition may stand without the brackets of a list.
    one = {"type": "string", "minLength": 1, "maxLength": 500}
    condition = step["if"]
    step["if"] = {
        **{name: condition.pop(name) for name in ("title", "description", "default")},
        "anyOf": [one, condition],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Hubbub's settings of a repository: .github/hubbub.yml",
    }


def without_null(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a field that a file leaves out for None."""
    kinds = field.get("anyOf", [])
    if {"type": "null"} not in kinds:
        return field
    left = [each for each in kinds if each != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return {**(left[0] if len(left) == 1 else {"anyOf": left}), **rest}
