"""Contexts: documents with versions, which agents share."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field

from bot.contexts import access, contents, versions
from bot.contexts.access import Access, AccessibleContext
from bot.contexts.snapshots import version_in
from bot.errors import Refused
from bot.identity.actors import ROLES, SLUG
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.kernel.patterns import Shape
from bot.operations.tasks.access import visible_task
from bot.times import from_now, stamp
from store.agents import agents
from store.contexts import contexts, grants, snapshots
from store.contexts.contexts import FullContext
from store.contexts.versions import VersionInfo
from store.engine import ids
from store.tables.contexts import ContextRow, ContextSnapshotRow

# Not shown in the audit: it is sealed where it is kept.
Content: TypeAlias = Annotated[
    Any,
    AfterValidator(contents.keepable),
    Field(repr=False, description="a text, or any other JSON"),
]
ContextId: TypeAlias = Annotated[str, Field(max_length=40, description="the context's id")]
Name: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=200, description="a name for people")
]
Remark: TypeAlias = Annotated[str, Field(max_length=500, description="what changed")]
Number: TypeAlias = Annotated[
    int, Field(ge=1, le=versions.MOST_VERSIONS, description="a version's number")
]
Grantee: TypeAlias = Annotated[
    str,
    Field(
        max_length=320,
        description="an agent's id, role:developer, or task:owner/repo#12 for its holder",
    ),
    Shape(
        rf"^(role:({'|'.join(ROLES)})|task:\S+|{SLUG})$",
        f"must be an agent's id, role: and one of {', '.join(ROLES)}, or task:owner/repo#12",
    ),
]
# Of versions that a history shows, and of snapshots' members on a page.
HISTORY = 100
MOST_ON_A_PAGE = 500
# What a page looks at until it is full: with a filter it may be short.
LOOKED_AT = 1000


class About(BaseModel):
    id: str
    name: str
    owner: str
    kind: contents.Kind
    version: int = Field(description="the newest")
    task: str | None
    access: Access = Field(description="what you may do: all is to share it too")
    created_at: str
    updated_at: str


class Version(BaseModel):
    version: int
    author: str
    at: str
    note: str
    checksum: str = Field(description="SHA-256 of the content")
    size: int = Field(description="bytes")


class Grant(BaseModel):
    to: str
    access: Access


class Snapshot(BaseModel):
    id: str
    name: str
    author: str
    at: str
    members: dict[str, int] = Field(description="versions by context")


class OneContext(Answer):
    context: About


class SharedContext(OneContext):
    grants: list[Grant]


class ReadContext(OneContext):
    version: Version = Field(description="the one whose content this is")
    content: Any
    broken: list[int] = Field(description="newer versions that cannot be read any more")
    history: list[Version] = Field(description="the newest first")


class Contexts(Answer):
    contexts: list[About]
    snapshots: list[Snapshot]
    next_cursor: str | None


def context_view(row: AccessibleContext) -> About:
    return About(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        kind=row["kind"],
        version=row["version"],
        task=access.task_of(row),
        access=row["access"],
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )


def _version(row: VersionInfo) -> Version:
    return Version(
        version=row["version"],
        author=row["author"],
        at=stamp(row["at"]),
        note=row["note"],
        checksum=row["checksum"],
        size=row["size"],
    )


def too_many_error(what: str, most: int, remedy: str) -> Refused:
    return Refused("too_many", f"There are {most} {what} already. {remedy}", most=most)


@operation(role="tester")
async def create_context(
    ctx: Context,
    name: Name,
    content: Content,
    task: TaskRef | None = None,
    note: Remark = "",
) -> OneContext:
    """Store a document of up to 1 MB. Only you can read it until share_context."""
    bound = await visible_task(ctx, task) if task else None
    if await contexts.count_owned(ctx.tx, ctx.installation_id, ctx.actor.name) >= access.MOST_OWNED:
        raise too_many_error("contexts of yours", access.MOST_OWNED, "Update one of them instead.")
    made = contents.sized(content)
    row: ContextRow = {
        "installation_id": ctx.installation_id,
        "id": ids.new("c", ctx.now),
        "name": name,
        "owner": ctx.actor.name,
        "kind": contents.kind_of(content),
        "version": 1,
        "task_id": bound and bound["id"],
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    await contexts.create(ctx.tx, row)
    await versions.keep(ctx, row["id"], 1, made, note)
    new = await access.find(ctx, row["id"])
    await access.record(ctx, new, "created", version=1)
    return OneContext(context=context_view(new))


@operation(role="tester")
async def update_context(
    ctx: Context,
    context_id: ContextId,
    content: Content,
    expected_version: Annotated[Number, Field(description="the newest version you read")],
    note: Remark = "",
) -> OneContext:
    """Add a version after `expected_version`, which must be the newest.

    On version_conflict read the newest, merge and try again.
    """
    row = await access.find(ctx, context_id, "write")
    if contents.kind_of(content) != row["kind"]:
        must = "a text" if row["kind"] == "text" else "JSON other than a text"
        raise Refused(
            "invalid_arguments",
            f"`content` must be {must}, as in the first version of {context_id}.",
        )
    made = contents.sized(content)
    new = await advance(ctx, row, expected_version)
    await versions.keep(ctx, context_id, new["version"], made, note)
    await access.record(ctx, new, "updated", version=new["version"])
    return OneContext(context=context_view(new))


async def advance(
    ctx: Context, row: AccessibleContext, expected: int | None = None
) -> AccessibleContext:
    """The context with its next version's number, which is this transaction's. Raise Refused."""
    here = (ctx.tx, ctx.installation_id, row["id"])
    if not await contexts.advance(*here, ctx.now, expected=expected):
        raise await _conflict_error(ctx, row["id"], expected or 0)
    new = await access.find(ctx, row["id"], "write")
    if new["version"] > versions.MOST_VERSIONS:
        raise too_many_error("versions of it", versions.MOST_VERSIONS, "Go on in a new context.")
    return new


async def _conflict_error(ctx: Context, context_id: str, expected: int) -> Refused:
    newest = (await access.find(ctx, context_id))["version"]
    rows = await versions.history(ctx, context_id, newest, 1)
    row = rows[0] if rows and rows[0]["version"] == newest else None
    at = stamp(row["at"]) if row else None
    by = f"by {row['author']} {from_now(row['at'], ctx.now)}" if row else "whose row is gone"
    return Refused(
        "version_conflict",
        f"{context_id} is at version {newest}, {by}, not at {expected}. Read it, merge your "
        f"change, and pass expected_version {newest}. Nothing was changed.",
        version=newest,
        author=row["author"] if row else None,
        at=at,
    )


@operation(role="tester", idempotent=True)
async def share_context(
    ctx: Context,
    context_id: ContextId,
    to: Grantee,
    access: Annotated[Literal["read", "write", "none"], Field(description="none ends the access")],
) -> SharedContext:
    """Let others read or write your context."""
    return await _share(ctx, context_id, to, access)


async def _share(
    ctx: Context, context_id: str, to: str, level: Literal["read", "write", "none"]
) -> SharedContext:
    row = await access.find(ctx, context_id, "all")
    grantee = await _grantee(ctx, row, to)
    here = (ctx.tx, ctx.installation_id, context_id)
    if level == "none":
        await grants.revoke(*here, grantee)
    else:
        await _grant(ctx, context_id, grantee, level)
    await access.record(ctx, row, "shared", to=grantee, access=level)
    granted = [Grant(to=g["grantee"], access=g["access"]) for g in await grants.of(*here)]
    return SharedContext(context=context_view(row), grants=granted)


async def _grantee(ctx: Context, row: FullContext, to: str) -> str:
    kind, sign, named = to.partition(":")
    if sign and kind == "task":
        return f"task:{(await visible_task(ctx, named))['id']}"
    if not sign and await agents.get(ctx.tx, ctx.installation_id, to) is None:
        raise Refused(
            "unknown_agent", f"No agent {to!r} is registered here. list_agents shows all."
        )
    if to == row["owner"]:
        raise Refused("invalid_arguments", f"{to} owns {row['id']} and needs no access.")
    return to


async def _grant(
    ctx: Context, context_id: str, grantee: str, level: Literal["read", "write"]
) -> None:
    here = (ctx.tx, ctx.installation_id, context_id)
    await contexts.lock(*here)
    others = [each for each in await grants.of(*here) if each["grantee"] != grantee]
    if len(others) >= access.MOST_GRANTS:
        raise too_many_error("it is shared with", access.MOST_GRANTS, "Share it with a role.")
    await grants.grant(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "context_id": context_id,
            "grantee": grantee,
            "access": level,
            "granted_by": ctx.actor.name,
            "granted_at": ctx.now,
        },
    )


@operation(role="observer", reads_only=True)
async def get_context(
    ctx: Context,
    context_id: ContextId,
    version: Number | None = None,
    snapshot_id: Annotated[
        ContextId | None, Field(description="the version in this snapshot")
    ] = None,
    history: Annotated[  # noqa: FBT002 - an argument by name
        bool, Field(description="list versions up to this number, not the content")
    ] = False,
) -> ReadContext:
    """Return the newest or another version of a context with its content."""
    row = await access.find(ctx, context_id)
    if snapshot_id is not None:
        version = await version_in(ctx, snapshot_id, context_id)
    if history:
        return await _history(ctx, row, version or row["version"])
    if version is None:
        read = await versions.newest(ctx, context_id, row["version"])
    else:
        read = await versions.exactly(ctx, row, version)
    return ReadContext(
        context=context_view(row),
        version=_version(read.version),
        content=read.value(row["kind"]),
        broken=read.broken,
        history=[],
    )


async def _history(ctx: Context, row: AccessibleContext, upto: int) -> ReadContext:
    rows = await versions.history(ctx, row["id"], upto, HISTORY)
    if not rows:
        raise versions.unreadable(row["id"], upto)
    history = [_version(each) for each in rows]
    return ReadContext(
        context=context_view(row), version=history[0], content=None, broken=[], history=history
    )


@operation(role="observer", reads_only=True)
async def list_contexts(
    ctx: Context,
    task: TaskRef | None = None,
    owner: Annotated[str, Field(max_length=120, description="an agent's id")] | None = None,
    prefix: Annotated[str, Field(max_length=200, description="of the name")] = "",
    snapshots: Annotated[bool, Field(description="your snapshots instead")] = False,  # noqa: FBT002 - an argument by name
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Contexts:
    """List the contexts that you may read, without their content."""
    if snapshots:
        return await _snapshots(ctx, limit, decode(cursor))
    task_id = (await visible_task(ctx, task))["id"] if task else None
    after = decode(cursor)
    rows, more = await _candidates(ctx, task_id, owner, after)
    may = await access.accesses(ctx.tx, ctx.actor, rows)
    fitting: list[AccessibleContext] = [
        {**row, "access": may[row["id"]]}
        for row in rows
        if may[row["id"]] != "none"
        and row["name"].startswith(prefix)
        and owner in (None, row["owner"])
    ]
    page = fitting[:limit]
    last = page[-1]["id"] if len(fitting) > limit else more
    return Contexts(
        contexts=[context_view(row) for row in page],
        snapshots=[],
        next_cursor=encode(last) if last else None,
    )


async def _candidates(
    ctx: Context, task_id: str | None, owner: str | None, after: str
) -> tuple[list[FullContext], str | None]:
    """Contexts among which those asked for are, by id; and where to go on, if there are more."""
    if task_id or owner or access.in_charge(ctx.actor):
        rows = await contexts.page(
            ctx.tx, ctx.installation_id, task_id=task_id, owner=owner, after=after, limit=LOOKED_AT
        )
        return rows, rows[-1]["id"] if len(rows) == LOOKED_AT else None
    named = await access.visible_ids(ctx.tx, ctx.actor, after, LOOKED_AT)
    rows = await contexts.several(ctx.tx, ctx.installation_id, named)
    return rows, named[-1] if len(named) == LOOKED_AT else None


async def _snapshots(ctx: Context, limit: int, before: str) -> Contexts:
    """The actor's; of a tech-lead all."""
    whole = ctx.actor.may("tech-lead") and ctx.actor.repositories is None
    author = None if whole else ctx.actor.name
    rows = await snapshots.page(ctx.tx, ctx.installation_id, author, before or "~", limit + 1)
    page: list[ContextSnapshotRow] = []
    members = 0
    for row in rows[:limit]:
        members += len(row["members"])
        if page and members > MOST_ON_A_PAGE:
            break
        page.append(row)
    ids_named = [each for row in page for each in row["members"]]
    seen = await access.readable_ones(ctx.tx, ctx.actor, ids_named)
    more = len(rows) > len(page)
    return Contexts(
        contexts=[],
        snapshots=[snapshot_view(row, seen) for row in page],
        next_cursor=encode(page[-1]["id"]) if more else None,
    )


def snapshot_view(row: ContextSnapshotRow, seen: set[str]) -> Snapshot:
    members = {k: v for k, v in row["members"].items() if k in seen}
    return Snapshot(
        id=row["id"],
        name=row["name"],
        author=row["author"],
        at=stamp(row["at"]),
        members=members,
    )
