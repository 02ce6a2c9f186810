"""Queues a write for GitHub, and answers at once. Every operation that writes uses it."""

from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, Field

from bot.agents import presence
from bot.errors import Refused
from bot.github import rate_limit_store, rate_limits
from bot.identity.actors import BOT
from bot.kernel.operation import Answer, Context
from bot.operations.github import clean_texts
from bot.operations.github.targets import Place
from bot.operations.tasks import holds
from bot.outbox import fairness, forecast
from bot.outbox.kinds import KINDS
from bot.quotas.table import SMALL_SHARE
from bot.tasks import capped_work
from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.outbox import WriteRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

WriteState: TypeAlias = Literal[
    "queued", "sending", "sent", "unknown", "refused", "dead", "superseded", "cancelled"
]


class Queued(BaseModel):
    write_id: str
    kind: str
    state: WriteState
    ahead: int = Field(0, description="how many writes are sent before this one")
    expected_at: str | None = Field(None, description="when it should be sent; null afterwards")
    result: dict[str, Any] | None = Field(None, description="what GitHub created: id, number, url")
    refusal: dict[str, Any] | None = Field(
        None,
        description="why GitHub or Hubbub refused it: code, message, details; absent otherwise",
        exclude_if=lambda refusal: refusal is None,
    )
    waits_because: str | None = Field(
        None,
        description="why it was not sent yet; absent if it only waits for its turn",
        exclude_if=lambda waits_because: waits_because is None,
    )
    cleaned: list[str] = Field(
        [],
        description="what was changed in your texts before they are posted",
        exclude_if=lambda cleaned: not cleaned,
    )

    def lean(self) -> Self:
        """Without the address of what GitHub created: its number or id is enough for models."""
        named = {k: v for k, v in (self.result or {}).items() if k != "url"}
        return self.model_copy(update={"result": named}) if named else self


class Writes(Answer):
    """One or several writes, in the order in which they are sent."""

    of_mirror = False

    writes: list[Queued]
    hint: str | None = Field(
        None,
        description="what follows from the change",
        exclude_if=lambda hint: hint is None,
    )

    def lean(self) -> Self:
        return self.model_copy(update={"writes": [each.lean() for each in self.writes]})

    async def as_it_is(self, tx: Tx, installation_id: int) -> Self:
        found = [
            each.model_copy(update=await _current_state(tx, installation_id, each.write_id))
            for each in self.writes
        ]
        return self.model_copy(update={"writes": found})


async def _current_state(tx: Tx, installation_id: int, write_id: str) -> dict[str, Any]:
    row = await writes.get(tx, installation_id, write_id)
    if row is None:
        return {}
    expected = {} if row["state"] in writes.LIVE else {"expected_at": None, "ahead": 0}
    return {"state": row["state"], "result": _result(row), **_error_fields(row)} | expected


# Fields of results that Hubbub keeps for itself.
INTERNAL = frozenset({"paths", "deleted", "shown", "title"})


def _result(row: WriteRow) -> dict[str, Any] | None:
    """Without what Hubbub keeps for itself: what a commit changed, and what a card showed."""
    found: dict[str, Any] | None = row["result"]
    return found and {name: found[name] for name in found if name not in INTERNAL}


def _error_fields(row: WriteRow) -> dict[str, Any]:
    """The fields for the row's error: why a write waits, or why it was refused."""
    if row["state"] in writes.LIVE:
        return {"refusal": None, "waits_because": row["error"] and row["error"]["message"]}
    return {"refusal": row["error"], "waits_because": None}


async def queue(
    ctx: Context,
    kind: str,
    where: Place,
    target: str,
    arguments: dict[str, Any],
    task: FullTask | None = None,
) -> Queued:
    """Queue a write of the actor. With a `task`, it is cancelled when the lease is lost.

    Raise Refused if the agent is not at work, or if somebody else put the task on hold.
    """
    cleaned: list[str] = []
    if not ctx.actor.is_person:
        await presence.check_may_work(ctx.tx, ctx.actor)
        await check_room(ctx)
        if task is None or not _is_about(task, where, arguments):
            await check_not_on_hold(ctx, where, arguments, kind)
        else:
            holds.check_write(ctx, task, kind)
        arguments, cleaned = await clean_texts.clean(ctx, where, arguments, task)
    lane = writes.PEOPLE if ctx.actor.is_person else writes.AGENTS
    lease_id = task["lease_id"] if task else None
    here = (ctx.tx, ctx.installation_id)
    if overwrites := KINDS[kind].overwrites:
        named = arguments if overwrites == "given" else None
        await writes.supersede(*here, kind, target, arguments=named, lease_id=lease_id)
    soonest = await forecast.of_new(
        *here, kind=kind, author=ctx.actor.name, lane=lane, target=target
    )
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
    stopped = await _stop_reason(ctx, where, task)
    return Queued(
        write_id=write_id,
        kind=kind,
        state="queued",
        ahead=soonest.ahead,
        expected_at=None if stopped else stamp(soonest.at),
        result=None,
        cleaned=cleaned,
        waits_because=stopped or soonest.why,
    )


async def _stop_reason(ctx: Context, where: Place, task: FullTask | None) -> str | None:
    """Why the write is held because of a cap on spend, if it is."""
    if ctx.actor.is_person:
        return None
    return await capped_work.stop_reason(
        ctx.tx,
        ctx.installation_id,
        repository_id=where["id"],
        agent=ctx.actor.name,
        task_id=task and task["id"],
    )


def _is_about(task: FullTask, where: Place, arguments: dict[str, Any]) -> bool:
    """Whether the write is on the issue of the task itself."""
    number = arguments.get("number")
    return number is not None and (task["repository_id"], task["number"]) == (where["id"], number)


async def check_room(ctx: Context, more: int = 1) -> None:
    """Raise Refused if the agent, or its installation, would have too many writes in the queue."""
    if ctx.actor.is_person:
        return
    quota = ctx.quotas["queued_writes"]
    queued = await writes.count_of(ctx.tx, ctx.installation_id, ctx.actor.name)
    is_bot = ctx.actor.name == BOT
    if quota.agent is not None and queued + more > quota.agent and not is_bot:
        raise await _no_room(ctx, "agent", quota.agent, queued, more)
    if quota.installation is None or queued + more <= (quota.agent or 0) * SMALL_SHARE:
        return
    if await writes.has_queued(ctx.tx, ctx.installation_id, quota.installation):
        raise await _no_room(ctx, "installation", quota.installation, quota.installation, more)


async def _no_room(ctx: Context, whose: str, most: int, queued: int, more: int) -> Refused:
    state = await rate_limit_store.of(ctx.tx, ctx.installation_id)
    room_at = rate_limits.ready_at(state, fairness.cost_of("comment", writes.AGENTS), ctx.now)
    wait = max(SECOND, room_at - ctx.now)
    adds = f", and this adds {more}" if more > 1 else ""
    of = ctx.actor.name if whose == "agent" else "all agents of the installation"
    return Refused(
        "rate_limited",
        f"{queued} writes of {of} wait for GitHub{adds}; the limit is {most}. "
        f"Wait until some are sent; list_writes lists them, cancel_write cancels them.",
        retry_after_s=-(-wait // SECOND),
        quota="queued_writes",
        of=whose,
        most=most,
        used=queued,
    )


async def check_not_on_hold(
    ctx: Context, where: Place, arguments: dict[str, Any], kind: str = ""
) -> None:
    """Raise Refused if somebody else put the task of the issue, pull request or branch on hold.

    Words of the task's holder may go out even then: `kind` is the kind of the write.
    """
    here = (ctx.tx, ctx.installation_id, where["id"])
    found = []
    if isinstance(number := arguments.get("number"), int):
        task = await tasks.by_number(*here, number)
        found = [task] if task else await tasks.of_pull(*here, number)
    elif branch := arguments.get("branch") or arguments.get("head"):
        found = await tasks.on_hold_for_branch(*here, branch)
    for each in found:
        holds.check_write(ctx, each, kind)


def write_view(row: WriteRow, *, ahead: int = 0, expected_at: str | None = None) -> Queued:
    """What an answer shows of a write."""
    return Queued(
        write_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        ahead=ahead,
        expected_at=expected_at,
        result=_result(row),
        **_error_fields(row),
    )


async def write(
    ctx: Context,
    kind: str,
    where: Place,
    target: str,
    arguments: dict[str, Any],
    task: FullTask | None = None,
) -> Writes:
    """Queue one write, and answer with it."""
    return Writes(writes=[await queue(ctx, kind, where, target, arguments, task)])


def nothing_to_change(arguments: str) -> Refused:
    return Refused("invalid_arguments", f"Nothing to change: pass at least one of {arguments}.")
