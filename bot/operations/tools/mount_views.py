"""What people see of tool servers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.identity.keyring import Broken, Keys
from bot.kernel.operation import Answer, Context
from bot.mounts.specs import credential_of
from bot.times import stamp
from store.mirror import stored_repositories
from store.mounts import mounts, tools
from store.tables.mounts import MountLogRow, MountRow, ToolRow


class ToolCounts(BaseModel):
    active: int = 0
    parked: int = 0
    removed: int = 0


class MountView(BaseModel):
    name: str
    kind: str = Field(description="mcp, openapi or stdio")
    url: str = Field(description="of a service: where its document is, or else where calls go")
    state: str = Field(description="running or stopped")
    health: str = Field(description="unknown, known, connected or failing")
    why: str | None = Field(None, description="why it fails")
    tools: ToolCounts
    repositories: list[str] | None = Field(None, description="whose agents may call it; all")
    last_success_at: str | None = None
    last_failure_at: str | None = None
    next_look_at: str | None = None


class ListedTool(BaseModel):
    name: str
    title: str
    description: str
    state: str = Field(description="active, parked or removed")
    changed_at: str


class LogEntry(BaseModel):
    at: str
    level: str
    text: str


class Mounts(Answer):
    of_mirror = False

    mounts: list[MountView]


class MountInFull(Answer):
    of_mirror = False

    mount: MountView | None = Field(description="none if it is removed")
    auth: dict[str, str] = Field({}, description="the credential without its secret")
    options: dict[str, Any] = Field({}, description="what its kind needs besides")
    created_by: str = ""
    created_at: str = ""
    listed_at: str | None = None
    parked: list[str] = Field([], description="tools that wait until somebody accepts them")
    left_out: list[str] = Field([], description="tools that cannot be offered, and why")
    credential_note: str | None = Field(
        None, description="that the service refused the credential, or that it was not tried"
    )


class MountWithTools(MountInFull):
    listed: list[ListedTool] = Field([], description="all of its tools")
    log: list[LogEntry] = Field([], description="the newest first")


def view(row: MountRow, counts: Mapping[str, int], names: dict[int, str]) -> MountView:
    """`names`: of repositories, by id."""
    here = row["repositories"]
    return MountView(
        name=row["name"],
        kind=row["kind"],
        url=row["url"] or _base(row),
        state=row["state"],
        health=row["health"],
        why=row["health_why"],
        tools=ToolCounts(**counts),
        repositories=here and [names.get(each, "a removed repository") for each in here],
        last_success_at=_time(row["last_success_at"]),
        last_failure_at=_time(row["last_failure_at"]),
        next_look_at=_time(row["probe_at"]),
    )


def _base(row: MountRow) -> str:
    """Where the calls of a service go whose document was passed. '' in lists, if that says it."""
    found = row["options"].get("base_url") or (row["document"] or {}).get("base_url")
    return str(found or "")


def details(row: MountRow, keys: Keys) -> dict[str, Any]:
    try:
        auth = credential_of(keys, row).public_part
    except Broken:
        auth = {"kind": "unreadable: set it again"}
    return {
        "auth": auth,
        "options": row["options"],
        "created_by": row["created_by"],
        "created_at": stamp(row["created_at"]),
        "listed_at": _time(row["listed_at"]),
    }


def listed_tool(row: ToolRow) -> ListedTool:
    return ListedTool(
        name=row["name"],
        title=row["title"],
        description=row["description"],
        state=row["state"],
        changed_at=stamp(row["changed_at"]),
    )


def log_entry(row: MountLogRow) -> LogEntry:
    return LogEntry(at=stamp(row["at"]), level=row["level"], text=row["text"])


def _time(at: int | None) -> str | None:
    return None if at is None else stamp(at)


async def existing(ctx: Context, name: str) -> MountRow:
    """Raise Refused."""
    if row := await mounts.by_name(ctx.tx, ctx.installation_id, name):
        return row
    raise Refused(
        "unknown_mount", f"There is no tool server {name!r}. `list_mounts` lists those that are."
    )


async def answer(ctx: Context, name: str, left_out: Sequence[str] = ()) -> MountInFull:
    """A server as it is now. Raise Refused."""
    row = await existing(ctx, name)
    rows = await tools.of_mount(ctx.tx, ctx.installation_id, row["id"])
    counts = Counter[str](each["state"] for each in rows)
    return MountInFull(
        mount=view(row, dict(counts), await repository_names(ctx, [row])),
        **details(row, ctx.shared.keys),
        parked=[each["name"] for each in rows if each["state"] == "parked"],
        left_out=list(left_out),
    )


async def repository_names(ctx: Context, rows: Sequence[MountRow]) -> dict[int, str]:
    wanted = sorted({each for row in rows for each in row["repositories"] or ()})
    found = await stored_repositories.names(ctx.tx, ctx.installation_id, wanted, len(wanted))
    return {each["id"]: each["full_name"] for each in found}
