"""Claiming a task: the named one, or the best that is ready."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Self, TypeAlias

from pydantic import Field

from bot.agents import checkpoints, presence, team_budgets
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.operation import Answer, Context, RepositoryName, Slash, TaskRef, operation
from bot.kernel.sentences import with_full_stop
from bot.kernel.waitable import EventFilter, Look, Waitable
from bot.messages import deadlocks
from bot.operations.arguments import Label
from bot.operations.github.texts import Text, body_view
from bot.operations.tasks import (
    capped_claims,
    claim_size,
    hourly_limits,
    nothing_ready,
    open_claims,
    take_back,
    task_titles,
)
from bot.operations.tasks.access import visible_repository, visible_task
from bot.operations.tasks.nothing_ready import NothingReady
from bot.operations.tasks.views import Task, task_view
from bot.operations.workflows import gate_checks, step_blocks
from bot.operations.workflows.step_blocks import StepBlock
from bot.pulls import checks
from bot.repository import narrowing, repository_settings
from bot.tasks import (
    eligibility,
    handoff,
    lifecycle,
    lookup,
    path_overlap,
    publishing,
    pull_ties,
    step_roles,
)
from bot.tasks.capabilities import Capability, meets, met_by
from bot.tasks.eligibility import Dependencies, Reason
from bot.tasks.handoff import HandOff
from bot.tasks.path_overlap import Overlap
from bot.tasks.sizes import SIZES, Size
from bot.times import stamp
from store.agents import claimants
from store.agents.claimants import Applicant, Claimant
from store.engine.transaction import Tx
from store.mirror.text_edits import TextKey
from store.mirror.text_policies import PolicyState
from store.tables.tasks import NAMED, UNKNOWN
from store.tasks import claim_state, leases, ready
from store.tasks.claim_state import ClaimState
from store.tasks.ready import Candidate, Wanted
from store.tasks.tasks import FullTask

LeaseSeconds: TypeAlias = Annotated[int, Field(ge=60, le=86_400)]
Paths: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=500)]],
    Field(max_length=50, description="paths you will change; the answer lists who else does"),
]

# How many ready tasks are looked at together: mostly the first is free, unless many claim at once.
PAGES = (2, 8, *(50 for _ in range(20)))
# What the claim's own fields and the hand-off say.
IN_OTHER_FIELDS = frozenset(
    [
        "id",
        "repository",
        "number",
        "fence",
        "holder",
        "lease_expires_at",
        "created_at",
        "updated_at",
    ]
)


class Claimed(Answer):
    """A claim. Pass `fence` with each later call about the task."""

    sealed = MappingProxyType({"handoff": {"checkpoint"}, "step": {"inputs", "needs"}})
    omitted = MappingProxyType({"task": IN_OTHER_FIELDS, "lease_id": True})

    task: Task | None = Field(None, description="null if the call waited and nothing became ready")
    lease_id: str | None = None
    fence: int | None = None
    expires_at: str | None = None
    resumed: bool = Field(False, description="whether you took back what you ended just now")
    step: StepBlock | None = Field(
        None, description="of its workflow", exclude_if=lambda step: step is None
    )
    body: Text | None = None
    handoff: HandOff | None = Field(None, description="what the last holder left for the next one")
    overlaps: list[Overlap] = Field(
        [], description="claims and pull requests that touch the same paths"
    )
    left_out: list[str] = Field(
        [],
        description="what was shortened to fit `max_tokens`; claim again with more to get it",
        exclude_if=lambda left_out: not left_out,
    )
    nothing_ready: NothingReady | None = Field(
        None,
        description="only after a wait: why there is no task",
        exclude_if=lambda nothing_ready: nothing_ready is None,
    )

    def lean(self) -> Self:
        """The note, the progress and the branch stand in the hand-off, if there is one."""
        if self.task is None or self.handoff is None:
            return self
        said = {"note": None, "progress": 0, "branch": None, "pull_request": None}
        return self.model_copy(update={"task": self.task.model_copy(update=said)})


CLAIM = Slash("claim", "claim this task yourself; your claim does not expire")


ClaimTokens: TypeAlias = Annotated[
    int,
    Field(ge=1000, le=100_000, description="the answer's size, in tokens of four bytes"),
]
# After these events a task may be ready that was not before.
WAKING = frozenset(
    f"task.{each}"
    for each in (
        "created",
        "changed",
        "ready",
        "pending",
        "released",
        "revoked",
        "expired",
        "resumed",
        "assigned",
        "unassigned",
    )
)


class _NextTask(Waitable[Claimed]):
    def is_final(self, answer: Claimed) -> bool:
        return answer.nothing_ready is None

    def has_effect(self, answer: Claimed) -> bool:
        return answer.nothing_ready is None

    def wanted_events(self, _answer: Claimed, _actor: Actor) -> EventFilter:
        return lambda event: event["kind"] in WAKING

    async def look_again(self, look: Look, _answer: Claimed) -> Claimed | None:
        """A claim writes to the database, so a waiting caller first checks with a read."""
        me = look.actor
        if not await look.check(lambda tx: _has_some(tx, me)):
            return None
        found: Claimed = await look.run()
        return found


def _within_reach(actor: Actor) -> Wanted:
    return Wanted(repositories=actor.repositories, roles_above=step_roles.above(actor))


async def _has_some(tx: Tx, actor: Actor) -> bool:
    """Whether a task is ready, without regard to filters and capabilities, or a lease overdue."""
    here, wanted = (tx, actor.installation_id), _within_reach(actor)
    return bool(
        await ready.candidates(*here, actor.name, wanted, None, 1)
        or await leases.overdue(tx, 1, *here[1:], actor.repositories)
    )


@operation(presence="at_work", slashes=(CLAIM,), waitable=_NextTask())
async def claim_task(
    ctx: Context,
    task: TaskRef | None = None,
    repository: RepositoryName | None = None,
    label: Label | None = None,
    capability: Annotated[
        Capability | None, Field(description="only tasks that need this capability")
    ] = None,
    size: Annotated[Size | None, Field(description="only tasks of this size")] = None,
    lease_s: Annotated[
        LeaseSeconds | None, Field(description="the lease's length in seconds")
    ] = None,
    paths: Paths | None = None,
    max_tokens: ClaimTokens = 8000,
) -> Claimed:
    """Claim a task, or the best ready one: by priority, fewest failures, age.

    Only you work on it until the lease ends; every call renews it. Claiming your task again
    returns your lease, or takes back what you ended just now.
    """
    me = await _check_claimer(ctx)
    has = me and me["capabilities"]
    if task is not None:
        if any((repository, label, capability, size)):
            raise Refused(
                "invalid_arguments",
                "Pass either `task`, or filters of ready tasks: `repository`, `label`, "
                "`capability`, `size`.",
            )
        return _fit(await _claim(ctx, task, has, lease_s, paths), max_tokens)
    where = await visible_repository(ctx, repository) if repository else None
    wanted = Wanted(
        repository_id=where["id"] if where else None,
        label=label,
        capability=capability,
        size=None if size is None else SIZES.index(size),
        closed=await narrowing.closed_repositories(ctx, "claim_task"),
        repositories=ctx.actor.repositories,
        roles_above=step_roles.above(ctx.actor),
    )
    now = ctx.events_cursor
    claimed = await _claim_best(ctx, wanted, me, lease_s, paths)
    if claimed is not None:
        return _fit(claimed, max_tokens)
    nothing = await nothing_ready.explanation(ctx, wanted, has, now)
    if not ctx.waits:
        raise Refused("nothing_ready", **nothing.model_dump())
    return _without_task(nothing)


async def _check_claimer(ctx: Context) -> Applicant | None:
    """The agent that claims; None for a person, who can do anything. Raise Refused.

    Leases that are overdue end first, because their tasks may be claimed too.
    """
    if ctx.actor.is_person:
        await expire_overdue(ctx)
        return None
    found = await claimants.get(ctx.tx, ctx.installation_id, ctx.actor.name)
    me = await presence.check_at_work(ctx.tx, found, ctx.now)
    if me["overdue"]:
        await expire_overdue(ctx)
    return me


def _without_task(nothing: NothingReady) -> Claimed:
    return Claimed(
        task=None,
        lease_id=None,
        fence=None,
        expires_at=None,
        body=None,
        handoff=None,
        overlaps=[],
        nothing_ready=nothing,
    )


def _fit(claimed: Claimed, max_tokens: int) -> Claimed:
    """The answer in at most so many tokens. What matters most comes first."""
    assert claimed.task is not None
    room = claim_size.Room(max_tokens)
    task = claim_size.fit_task(room, claimed.task)
    overlaps = claim_size.fit_overlaps(room, claimed.overlaps)
    handed = claim_size.fit_handoff(room, claimed.handoff)
    messages = claimed.handoff.messages if claimed.handoff else []
    step = claim_size.fit_step(room, claimed.step)
    # The text of the task gets half of the rest, or all if nothing else needs it.
    body = claim_size.fit_body(room, claimed.body, 0.5 if messages else 1)
    if handed is not None:
        said = claim_size.fit_messages(room, messages)
        handed = handed.model_copy(update={"messages": said})
    fitted = {"step": step, "task": task, "overlaps": overlaps, "handoff": handed, "body": body}
    return claimed.model_copy(update={**fitted, "left_out": room.left_out})


async def _claim(
    ctx: Context, ref: str, has: list[str] | None, lease_s: int | None, paths: list[str] | None
) -> Claimed:
    row = await visible_task(ctx, ref, lock=True)
    if leases.is_expired(row, ctx.now):
        row = await _expire(ctx, row)
    if row["holder"] == ctx.actor.name:
        return await _claim_again(ctx, row, lease_s, paths)
    resumed = await take_back.is_possible(ctx, row)
    if resumed:
        row = await take_back.reopen(ctx, row)
    state = await _state_for(ctx, row)
    waits = Dependencies()
    if state["has_relations"]:
        waits = await eligibility.dependencies(ctx.tx, ctx.actor, row)
    gates = await gate_checks.reasons(ctx, row) if state["is_step"] else []
    standing = eligibility.reasons(ctx.actor, row, waits, has, ctx.now, gates)
    if standing := [*standing, *step_roles.reasons(ctx.actor, state["step_role"])]:
        raise _refusal(row, standing)
    if state["is_drained"] and not ctx.actor.is_person:
        raise await capped_claims.claim_refusal(ctx, row)
    got = await _grant(ctx, row, state, lease_s, paths or [], NAMED)
    if got is None:
        row = await visible_task(ctx, row["id"])
        raise _refusal(row, eligibility.reasons(ctx.actor, row, waits, None, ctx.now))
    claimed = await _claimed_answer(ctx, got, state, paths or [])
    return claimed.model_copy(update={"resumed": resumed})


async def _state_for(ctx: Context, row: FullTask) -> ClaimState:
    """What the claim needs to know beside the task, which is locked."""
    return await claim_state.of(ctx.tx, row, ctx.actor.name, publishing.card_target(row["id"]))


async def _claim_again(
    ctx: Context, row: FullTask, lease_s: int | None, paths: list[str] | None
) -> Claimed:
    """The same lease, with the length and the paths that are passed."""
    before = await path_overlap.paths_of(ctx.tx, row)
    now = before if paths is None else paths
    here = (ctx.tx, ctx.installation_id, row["lease_id"] or "")
    if lease_s is not None and not ctx.actor.is_person:
        await leases.set_length(*here, lease_s)
    if paths is not None:
        await leases.set_paths(*here, paths)
        await checks.refresh_claim(ctx.tx, row, [*before, *paths])
    row = await visible_task(ctx, row["id"])
    return await _claimed_answer(ctx, row, await _state_for(ctx, row), now, before)


def _refusal(row: FullTask, standing: list[Reason]) -> Refused:
    first = standing[0]
    why = with_full_stop(f"{lookup.name(row)} cannot be claimed: {first.why}")
    return Refused(
        first.code,
        f"{why} What you can do: {first.remedy}.",
        state=row["state"],
        holder=row["holder"],
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        reasons=[each.model_dump() for each in standing],
    )


async def _grant(
    ctx: Context,
    row: FullTask,
    state: ClaimState,
    lease_s: int | None,
    paths: list[str],
    known: int = UNKNOWN,
) -> FullTask | None:
    """Claim the task: its row now. It is locked before the agent, like in all that locks both."""
    seconds = None  # a person's lease does not expire
    waits = False
    if not ctx.actor.is_person:
        settings = repository_settings.parse_or_default(state["settings"])
        me = await _lock_claimer(ctx, settings.max_claims)
        seconds, waits = lease_s or settings.lease_s, bool(me["waits"] or state["has_relations"])
    got = await lifecycle.claim(ctx.tx, row, state, ctx.actor.name, seconds, paths, known)
    if got and waits:
        await deadlocks.check_agent(ctx.tx, ctx.installation_id, ctx.actor.name)
    return await pull_ties.tie_claimed(ctx.tx, got) if got and state["has_pulls"] else got


async def _lock_claimer(ctx: Context, max_claims: int) -> Claimant:
    """The agent. Raise Refused if the agent is not at work, or has as much as it may have."""
    since = hourly_limits.since(ctx)
    found = await claimants.lock(ctx.tx, ctx.installation_id, ctx.actor.name, since)
    me = await presence.check_at_work(ctx.tx, found, ctx.now)
    await team_budgets.check_left(ctx.tx, me)
    most = open_claims.most(ctx, max_claims)
    if me["works_on"] >= most:
        await open_claims.check_room(ctx, most)
    await open_claims.check_installation(ctx)
    if me["claims"] >= hourly_limits.most(ctx, "claims_an_hour"):
        await hourly_limits.check_claims(ctx)
    return me


async def _expire(ctx: Context, row: FullTask) -> FullTask:
    """Expire the lease of one task. `expire_overdue` expires only some at a time."""
    lease = await leases.get(ctx.tx, ctx.installation_id, row["lease_id"])
    if lease is not None:
        await lifecycle.expire(ctx.tx, lease)
    return await visible_task(ctx, row["id"])


async def expire_overdue(ctx: Context) -> None:
    overdue = await leases.overdue(ctx.tx, 50, ctx.installation_id, ctx.actor.repositories)
    # Each locks its task, so all callers take them in the same order.
    for lease in sorted(overdue, key=lambda lease: lease["task_id"]):
        await lifecycle.expire(ctx.tx, lease)


async def _claim_best(
    ctx: Context,
    wanted: Wanted,
    me: Applicant | None,
    lease_s: int | None,
    paths: list[str] | None,
) -> Claimed | None:
    """Claim the best ready task. None if there is none."""
    if me is None:
        return await _claim_first(ctx, wanted, lease_s, paths)
    fitting = replace(wanted, met=met_by(me["capabilities"]))
    if not me["released"]:
        return await _claim_first(ctx, fitting, lease_s, paths)
    # What the agent gave back itself is offered to others first.
    for given_back in (False, True):
        found = await _claim_first(ctx, replace(fitting, given_back=given_back), lease_s, paths)
        if found is not None:
            return found
    return None


async def _claim_first(
    ctx: Context, fitting: Wanted, lease_s: int | None, paths: list[str] | None
) -> Claimed | None:
    """Claim the first of these. Go page by page, because others may claim the first ones now."""
    here, me = (ctx.tx, ctx.installation_id), ctx.actor.name
    last = None
    for limit in PAGES:
        page = await ready.candidates(*here, me, fitting, last, limit)
        for row in page:
            if not _asks_for(row, fitting.capability):
                continue
            if claimed := await _claim_if_free(ctx, row["id"], lease_s, paths or []):
                return claimed
        if len(page) < limit:
            break
        last = page[-1]
    return None


async def _claim_if_free(
    ctx: Context, task_id: str, lease_s: int | None, paths: list[str]
) -> Claimed | None:
    """Claim the task. None if somebody else claims it now, or a gate forbids it."""
    row = await ready.lock_free(ctx.tx, ctx.installation_id, task_id)
    if row is None:
        return None
    state = await _state_for(ctx, row)
    if state["is_step"] and await gate_checks.reasons(ctx, row):
        return None
    got = await _grant(ctx, row, state, lease_s, paths)
    return got and await _claimed_answer(ctx, got, state, paths)


def _asks_for(row: Candidate, capability: str | None) -> bool:
    return capability is None or any(meets([each], capability) for each in row["capabilities"])


async def _claimed_answer(
    ctx: Context,
    row: FullTask,
    state: ClaimState,
    paths: Sequence[str],
    before: Sequence[str] | None = None,
) -> Claimed:
    """`row`: the task with its lease on `paths`. `before`: the paths before, if claimed again."""
    handed = await handoff.of(ctx.tx, row)
    if handed is not None:
        left = await checkpoints.checkpoint_of(ctx, handed.holder, row["id"])
        handed = handed.model_copy(update={"checkpoint": left and left.model_dump()})
    return Claimed(
        task=task_view(
            await task_titles.with_title(
                ctx, row, _policy(row, state), edits=bool(state["was_edited"])
            )
        ),
        lease_id=row["lease_id"],
        fence=row["fence"],
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        step=await step_blocks.of_task(ctx, row) if state["is_step"] else None,
        body=await _body(ctx, row, state),
        handoff=handed,
        overlaps=await path_overlap.report_claim(ctx.tx, row, ctx.actor.name, paths, before),
    )


async def _body(ctx: Context, row: FullTask, state: ClaimState) -> Text | None:
    key = TextKey.of_opening(row["repository_id"], row["number"] or 0)
    edits = bool(state["was_edited"])
    return await body_view(ctx, state["text"], key, _policy(row, state), edits=edits)


def _policy(row: FullTask, state: ClaimState) -> PolicyState:
    return {
        "id": row["repository_id"],
        "private": state["private"],
        "settings": state["settings"],
    }
