"""What every operation that writes on GitHub shares: a row of the outbox, answered at once."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, Field

from bot.agents import presence
from bot.errors import Refused
from bot.github import limits as kept
from bot.github import rate_limits
from bot.kernel.operation import Answer, Context
from bot.kernel.patterns import Shape
from bot.operations.tasks.tasks import covered, found, held, on_hold
from bot.outbox import fairness
from bot.outbox.kinds import KINDS
from bot.times import stamp
from store.engine.transaction import Row, Tx
from store.mirror import mirror_rows
from store.outbox import writes
from store.tasks import tasks as stored

WriteState: TypeAlias = Literal[
    "queued", "sending", "sent", "unknown", "refused", "dead", "superseded", "cancelled"
]
Title: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
# GitHub takes 65,536 characters; the rest is for what we add.
Body: TypeAlias = Annotated[str, Field(max_length=60_000)]


def _branch(name: str) -> str:
    """As `git check-ref-format` has it."""
    parts = name.split("/")
    wrong = any(not each or each[0] == "." or each.endswith((".lock", ".")) for each in parts)
    if wrong or ".." in name or "@{" in name or name[0] == "-":
        raise ValueError("not a name that git takes for a branch")
    return name


Branch: TypeAlias = Annotated[
    str,
    Field(max_length=200),
    Shape(
        r"^[^\s~^:?*\[\\\x00-\x1f]+$",
        r"must be a name that git takes for a branch: no space, and none of ~^:?*[\ in it",
    ),
    AfterValidator(_branch),
]
PullRef: TypeAlias = Annotated[str, Field(description="owner/repo#12", max_length=300)]
Sha: TypeAlias = Annotated[
    str,
    Shape(
        r"^[0-9a-f]{40}([0-9a-f]{24})?$",
        "must be a commit's whole SHA, of 40 or 64 digits in lower case",
    ),
]


class Queued(BaseModel):
    write_id: str
    kind: str
    state: WriteState
    ahead: int = Field(description="how many writes go out before this one")
    expected_at: str | None = Field(description="when it should go out; None once it has")
    result: dict[str, Any] | None = Field(description="what GitHub made: id, number, url")
    error: dict[str, Any] | None = Field(description="why GitHub, or we, did not do it")


class Write(Answer, Queued):
    async def as_it_is(self, tx: Tx, installation_id: int) -> Self:
        return self.model_copy(update=await _now(tx, installation_id, self.write_id))


class Writes(Answer):
    """Several, in the order in which they go out."""

    writes: list[Queued]

    async def as_it_is(self, tx: Tx, installation_id: int) -> Self:
        found = [
            each.model_copy(update=await _now(tx, installation_id, each.write_id))
            for each in self.writes
        ]
        return self.model_copy(update={"writes": found})


async def _now(tx: Tx, installation_id: int, write_id: str) -> Row:
    row = await writes.get(tx, installation_id, write_id)
    if row is None:
        return {}
    expected = {} if row["state"] in writes.LIVE else {"expected_at": None, "ahead": 0}
    return {name: row[name] for name in ("state", "result", "error")} | expected


async def queue(
    ctx: Context,
    kind: str,
    where: Row,
    target: str,
    arguments: dict[str, Any],
    task: Row | None = None,
) -> Queued:
    """Queue a write of the actor's. With the task that they hold it is dropped with the lease.

    Raise Refused for an agent that is not at work, or where another has the task on hold.
    """
    if not ctx.actor.is_person:
        await presence.may_work(ctx.tx, ctx.actor)
        await _not_on_hold(ctx, where, arguments)
    lane = writes.PEOPLE if ctx.actor.is_person else writes.AGENTS
    lease_id = task["lease_id"] if task else None
    here = (ctx.tx, ctx.installation_id)
    if overwrites := KINDS[kind].overwrites:
        named = arguments if overwrites == "given" else None
        await writes.supersede(*here, kind, target, arguments=named, lease_id=lease_id)
    ahead = await writes.ahead(*here)
    write_id = await writes.queue(
        *here,
        kind=kind,
        repository_id=where["id"],
        target=target,
        arguments=arguments,
        author=ctx.actor.name,
        task_id=task["id"] if task else None,
        lease_id=lease_id,
        lane=lane,
    )
    cost = fairness.cost({"kind": kind, "lane": lane, "state": "queued"})
    at = rate_limits.expected_at(await kept.of(*here), cost, ahead, ctx.now)
    return Queued(
        write_id=write_id,
        kind=kind,
        state="queued",
        ahead=ahead,
        expected_at=stamp(at),
        result=None,
        error=None,
    )


async def _not_on_hold(ctx: Context, where: Row, arguments: dict[str, Any]) -> None:
    """Whether the issue's, pull request's or branch's task may be worked on. Raise Refused."""
    here = (ctx.tx, ctx.installation_id, where["id"])
    found = []
    if isinstance(number := arguments.get("number"), int):
        task = await stored.by_number(*here, number)
        found = [task] if task else await stored.of_pull(*here, number)
    elif branch := arguments.get("branch") or arguments.get("head"):
        found = await stored.held_on(*here, branch)
    for each in found:
        if each["held"] and each["held_by"] != ctx.actor.name:
            raise on_hold(each)


def written(row: Row, *, ahead: int = 0, expected_at: str | None = None) -> Write:
    """A write as it is now."""
    return Write(
        write_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        ahead=ahead,
        expected_at=expected_at,
        result=row["result"],
        error=row["error"],
    )


async def write(
    ctx: Context,
    kind: str,
    where: Row,
    target: str,
    arguments: dict[str, Any],
    task: Row | None = None,
) -> Write:
    one = await queue(ctx, kind, where, target, arguments, task)
    return Write(**one.model_dump())


def on_issue(where: Row, number: int) -> str:
    """The target of whatever is written on an issue or pull request."""
    return writes.on_issue(where["id"], number)


def on_branch(where: Row, branch: str) -> str:
    return f"branch {where['id']} {branch}"[:255]


async def repository_of(ctx: Context, task: Row) -> Row:
    where = await mirror_rows.repository_by_id(ctx.tx, ctx.installation_id, task["repository_id"])
    if where is None:
        raise Refused("unknown_repository", "The task's repository is not within reach any more.")
    return where


async def work_place(
    ctx: Context, task: str | None, fence: int | None, repository: str | None
) -> tuple[Row | None, Row]:
    """The task that is held by this fence, if one is named, and its repository or the named one."""
    if task:
        row = await held(ctx, task, fence)
        return row, await repository_of(ctx, row)
    if repository is None:
        raise Refused("invalid_arguments", "Give `task` (with its fence) or `repository`.")
    return None, await covered(ctx, repository)


async def thread(ctx: Context, ref: str, fence: int | None) -> tuple[Row | None, Row, int]:
    """The task if it is held by this fence, the repository, the number. Raise Refused."""
    _, sign, _ = ref.rpartition("#")
    if fence is not None or not sign:
        task = await held(ctx, ref, fence) if fence is not None else await found(ctx, ref)
        if task["number"] is None:
            raise Refused(
                "no_issue_yet", f"GitHub has not numbered {ref} yet; its write is under way."
            )
        return (task if fence is not None else None), await repository_of(ctx, task), task["number"]
    where, number = await numbered(ctx, ref)
    here = (ctx.tx, ctx.installation_id, where["id"], number)
    if await mirror_rows.issue(*here) is None and await mirror_rows.pull_request(*here) is None:
        raise Refused("unknown_task", f"There is no issue or pull request {ref!r}.")
    return None, where, number


async def numbered(ctx: Context, ref: str) -> tuple[Row, int]:
    """`owner/repo#12`, taken apart. Raise Refused."""
    full_name, _, digits = ref.rpartition("#")
    where = await covered(ctx, full_name)
    return where, int(digits) if digits.isdecimal() and len(digits) < 16 else 0


async def issue_of(ctx: Context, ref: str) -> Row:
    """A mirrored issue. Raise Refused."""
    where, number = await numbered(ctx, ref)
    row = await mirror_rows.issue(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None or row["is_pull_request"]:
        pull = " It is a pull request." if row else ""
        raise Refused("unknown_task", f"There is no issue {ref!r}.{pull}")
    return row


async def pull_of(ctx: Context, ref: str) -> tuple[Row, Row]:
    """A mirrored pull request and its repository. Raise Refused."""
    where, number = await numbered(ctx, ref)
    row = await mirror_rows.pull_request(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None:
        issue = await mirror_rows.issue(ctx.tx, ctx.installation_id, where["id"], number)
        hint = " It is an issue: github_update_issue changes it." if issue else ""
        raise Refused("unknown_task", f"There is no pull request {ref!r}.{hint}")
    return where, row
