"""The settings of a repository, from `.github/hubbub.yml` on its default branch."""

from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from store.engine.transaction import Tx
from store.mirror import settings_files

Permission: TypeAlias = Literal["read", "triage", "write", "maintain", "admin"]
# GitHub's permissions, from lowest to highest.
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
# Everybody may read a public repository, so `read` must not allow a change.
ToChange: TypeAlias = Literal["triage", "write", "maintain", "admin"]

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^\S(.*\S)?$")]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Statuses(Group):
    """The option of the board's field for each state of a task."""

    pending: Name = "Todo"
    assigned: Name = "Todo"
    in_progress: Name = "In Progress"
    in_review: Name = "In Progress"
    completed: Name = "Done"
    failed: Name = "Todo"
    cancelled: Name = "Done"


class Board(Group):
    """The project that shows the tasks."""

    project: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        description="the number in the project's address: 4 in /orgs/acme/projects/4"
    )
    field: Name = Field("Status", description="the single-select field that shows the state")
    statuses: Statuses = Statuses()


class Permissions(Group):
    """The minimum permission on the repository for each slash command."""

    ask: ToChange = "triage"
    assign: ToChange = "write"
    block: ToChange = "write"
    cancel: ToChange = "write"
    claim: ToChange = "write"
    done: ToChange = "write"
    hold: ToChange = "write"
    priority: ToChange = "write"
    release: ToChange = "write"
    resume: ToChange = "write"
    retry: ToChange = "write"
    unblock: ToChange = "write"
    agents: Permission = "read"
    status: Permission = "read"
    why: Permission = "read"

    def permission_for(self, verb: str) -> Permission:
        found: Permission = getattr(self, verb)
        return found


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
    board: Board | None = None


DEFAULTS = RepositorySettings()
# Each group of keys by its path in the file.
GROUPS: dict[tuple[str, ...], type[Group]] = {
    (): RepositorySettings,
    ("permissions",): Permissions,
    ("board",): Board,
    ("board", "statuses"): Statuses,
}


async def of(tx: Tx, installation_id: int, repository_id: int) -> RepositorySettings:
    """The settings in force."""
    row = await settings_files.get(tx, installation_id, repository_id)
    return parse_or_default(row["settings"] if row else None)


def parse_or_default(settings: str | None) -> RepositorySettings:
    """`settings`: the column of the repository's row, if it has one."""
    return DEFAULTS if settings is None else parse(settings)


@lru_cache(256)
def parse(settings: str) -> RepositorySettings:
    return RepositorySettings.model_validate_json(settings)


def allows(permission: str, needed: Permission) -> bool:
    """Whether a permission on the repository is high enough."""
    least = PERMISSIONS[PERMISSIONS.index(needed) :]
    return permission in least


def schema() -> dict[str, Any]:
    """The JSON Schema for editors."""
    made = RepositorySettings.model_json_schema()
    # A file without a board leaves the key out: no value in the file may be null.
    made["properties"]["board"] = {"$ref": "#/$defs/Board"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Hubbub's settings of a repository: .github/hubbub.yml",
    }
