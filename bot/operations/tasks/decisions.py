"""Decisions of people and tech-leads about tasks: reserve, hold, prioritise, end or retry them."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.agents import hosted_claims
from bot.comments import orphaned_pulls, replies
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import SLUG, Actor, is_hosted
from bot.kernel import remedies
from bot.kernel.operation import Context, Slash, TaskRef, operation
from bot.kernel.patterns import AGENT, Shape
from bot.kernel.sentences import code
from bot.operations.agents.run_views import Run
from bot.operations.arguments import Note
from bot.operations.github import clean_texts
from bot.operations.github.issue_fields import list_change
from bot.operations.github.issue_relations import check_no_planned
from bot.operations.github.targets import issue_of, on_issue, repository_of
from bot.operations.github.writing import Queued, nothing_to_change, queue
from bot.operations.tasks import task_runs, task_titles
from bot.operations.tasks.access import on_hold_error, visible_task
from bot.operations.tasks.status import close_issue
from bot.operations.tasks.views import OneTask, Task, task_view
from bot.operations.workflows import cancel_and_retry, gate_checks, tool_checks
from bot.repository import narrowing, repository_settings
from bot.tasks import (
    issue_state,
    label_changes,
    lifecycle,
    lookup,
    plan_notices,
    task_labels,
)
from bot.tasks.capabilities import Capability, missing_capabilities
from bot.tasks.priorities import PRIORITIES, Priority
from bot.tasks.sizes import SIZES, Size
from bot.tasks.states import OPEN
from bot.times import SECOND
from store.agents import agents
from store.engine import json_text
from store.engine.transaction import Row
from store.mirror import label_names, mirror_rows, stored_issues
from store.outbox import issue_changes, write_cancellation, writes
from store.tables.agents import AgentRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

Assignee: TypeAlias = Annotated[
    str, Field(max_length=64, description="an agent's id"), Shape(f"^@?{SLUG}$", AGENT.words)
]
# How much later than its command a decision must be to stand against it: clocks differ.
CLOCKS_DIFFER = 5 * SECOND
Decided: TypeAlias = Literal["pending", "in_progress", "in_review", "completed", "cancelled"]


class Assigned(OneTask):
    run: Run | None = Field(
        None, description="that was started from a template", exclude_if=lambda run: run is None
    )


def _assign_reply(assigned: Assigned) -> str | None:
    if (run := assigned.run) is None:
        return None
    return replies.run_started(run.run_id, run.template, run.model, run.place)


ASSIGN = Slash(
    "assign",
    "reserve this task for an agent, or start one from a template; without a name, end that",
    ("agent_id",),
    reply=_assign_reply,
    shown="agent",
)


@operation(presence="at_work", slashes=(ASSIGN,))
async def assign_task(
    ctx: Context,
    task: TaskRef,
    agent_id: Annotated[
        Assignee | None,
        Field(description="an agent, or a template to start one; none: end the reservation"),
    ] = None,
) -> Assigned:
    """Reserve a task for one agent for a day, or end the reservation."""
    row = await visible_task(ctx, task, lock=True)
    if row["holder"]:
        raise Refused(
            "already_claimed",
            f"{row['holder']} holds {lookup.name(row)}. {_release(ctx)} first.",
            holder=row["holder"],
        )
    if agent_id is None:
        await task_runs.stop_waiting(ctx, row)
        await lifecycle.end_reservation(ctx.tx, row, ctx.actor.name, "freed")
        return Assigned(task=await _current_view(ctx, row["id"]))
    await gate_checks.check_may_begin(ctx, row)
    await tool_checks.check_no_tool(ctx, row)
    name = agent_id.removeprefix("@")
    if is_hosted(name):
        raise Refused(
            "not_claimable",
            f"{name} is an agent that GitHub hosts. Assign the issue to it on GitHub: that starts "
            "it, and it gets the task.",
        )
    if await agents.get(ctx.tx, ctx.installation_id, name) is None:
        run = await task_runs.start_for(ctx, row, name)
        return Assigned(task=await _current_view(ctx, row["id"]), run=run)
    # The lock keeps others from pausing the agent until this is done.
    (agent,) = await agents.lock(ctx.tx, ctx.installation_id, [name])
    _check_could_claim(row, agent)
    await _check_may_claim_here(ctx, row, agent)
    await task_runs.stop_waiting(ctx, row, name)
    await lifecycle.reserve(ctx.tx, row, agent["id"], ctx.actor.name)
    return Assigned(task=await _current_view(ctx, row["id"]))


def _actor(agent: AgentRow) -> Actor:
    return Actor(agent["installation_id"], agent["id"], agent["role"])


def _check_could_claim(row: FullTask, agent: AgentRow) -> None:
    """Raise Refused if the agent could not claim the task."""
    if agent["left_at"] is not None or agent["paused_at"] is not None:
        gone = "has left" if agent["left_at"] is not None else "is paused"
        raise Refused("not_claimable", f"{agent['id']} {gone} and cannot claim tasks.")
    if not permissions.may_call(_actor(agent), "claim_task"):
        raise Refused(
            "not_claimable",
            f"{agent['id']} has the role {agent['role']}, which cannot claim tasks.",
        )
    if missing := missing_capabilities(agent["capabilities"], row["capabilities"]):
        raise Refused(
            "lacks_capability",
            f"{lookup.name(row)} needs capabilities that {agent['id']} has not registered: "
            f"{', '.join(missing)}.",
            lacking=missing,
        )


async def _check_may_claim_here(ctx: Context, row: FullTask, agent: AgentRow) -> None:
    """Raise Refused if the settings of the repository forbid the agent to claim."""
    if not ctx.state["narrows"]:
        return
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, row["repository_id"])
    where = row["full_name"]
    if refused := narrowing.refusal(_actor(agent), "claim_task", settings, where):
        raise Refused("not_claimable", refused.message)


HOLD = Slash("hold", "put this task on hold until `/resume`", ("note",), given={"hold": True})


def _resume_reply(changed: "Changed") -> str | None:
    return None if changed.was_held else f"{changed.task.task} is not on hold."


RESUME = Slash("resume", "end the hold", given={"hold": False}, reply=_resume_reply)
PRIORITY = Slash("priority", "set the priority: low, medium or high", ("priority",), required=True)
RETRY = Slash(
    "retry",
    "make an ended task pending again, and reopen its issue",
    ("note",),
    given={"state": "pending"},
)
CANCEL = Slash(
    "cancel",
    "cancel the task, and close its issue as not planned",
    ("note",),
    given={"state": "cancelled"},
)
DONE = Slash(
    "done",
    "complete the task, and close its issue as completed",
    ("note",),
    given={"state": "completed"},
)
BLOCK = Slash("block", "issue #12 blocks this task", ("blocked_by",), shown="#12", required=True)
UNBLOCK = Slash(
    "unblock",
    "issue #12 no longer blocks this task",
    ("unblocked_by",),
    shown="#12",
    required=True,
)


class Changed(OneTask):
    writes: list[Queued] = Field([])
    # For the reply to a command, and no part of the answer.
    was_held: bool = Field(True, exclude=True)


@operation(
    presence="at_work",
    slashes=(HOLD, RESUME, PRIORITY, RETRY, CANCEL, DONE, BLOCK, UNBLOCK),
)
async def change_task(
    ctx: Context,
    task: TaskRef,
    hold: Annotated[
        bool | None, Field(description="true: put on hold; false: end the hold")
    ] = None,
    priority: Annotated[Priority | None, Field(description="how urgent it is")] = None,
    size: Annotated[Size | None, Field(description="how much work it is")] = None,
    capabilities: Annotated[
        list[Capability], Field(max_length=20, description="what the task needs")
    ]
    | None = None,
    state: Annotated[
        Decided | None,
        Field(description="pending: retry it; in_progress, in_review: of held work; or end it"),
    ] = None,
    blocked_by: Annotated[
        TaskRef | None, Field(description="an issue that must close first")
    ] = None,
    unblocked_by: Annotated[
        TaskRef | None, Field(description="an issue that no longer blocks it")
    ] = None,
    note: Annotated[Note | None, Field(description="the reason")] = None,
) -> Changed:
    """Put a task on hold, change its priority, end it, or retry it."""
    row = await visible_task(ctx, task, lock=True)
    texts, cleaned = clean_texts.for_card({"note": note})
    why = texts.get("note", "")
    fields = _fields(priority, size, capabilities)
    if not fields and all(each is None for each in (hold, state, blocked_by, unblocked_by)):
        if ctx.actor.is_person:
            raise Refused("invalid_arguments", "A word is missing. `/help` shows each command.")
        raise nothing_to_change(
            "hold, priority, size, capabilities, state, blocked_by, unblocked_by"
        )
    _check_hold(ctx, row, hold=hold, state=state)
    await _check_gates(ctx, row, hold=hold, state=state)
    queued = await _set_fields(ctx, row, fields)
    if hold is not None:
        await _set_hold(ctx, row, why, on=hold)
    if state is not None:
        queued += await _end_or_retry(ctx, await visible_task(ctx, row["id"]), state, why)
    if blocked_by is not None:
        queued.append(await _change_blocker(ctx, row, blocked_by, "blocked_by"))
    if unblocked_by is not None:
        queued.append(await _change_blocker(ctx, row, unblocked_by, "blocked_by_removal"))
    changed = await _current_view(ctx, row["id"])
    return Changed(task=changed, writes=queued, cleaned=cleaned, was_held=bool(row["held"]))


def _fields(
    priority: Priority | None, size: Size | None, capabilities: list[str] | None
) -> dict[str, Any]:
    """The columns of the task to change."""
    fields: dict[str, Any] = {}
    if priority is not None:
        fields["priority"] = PRIORITIES.index(priority)
    if size is not None:
        fields["size"] = SIZES.index(size)
    if capabilities is not None:
        fields["capabilities"] = sorted(set(capabilities))
    return fields


def _check_hold(ctx: Context, row: FullTask, *, hold: bool | None, state: Decided | None) -> None:
    """Raise Refused for a hold on a task that ends, or if a person's hold forbids the change.

    During a person's hold, an agent may change fields and blockers, but not resume or end the task.
    """
    if hold and state is not None:
        raise Refused(
            "invalid_arguments",
            "Pass `hold` or `state`, not both: a task's hold ends with the task.",
        )
    if (hold is False or state is not None) and _is_held_against(ctx, row):
        raise on_hold_error(ctx, row)


async def _check_gates(
    ctx: Context, row: FullTask, *, hold: bool | None, state: Decided | None
) -> None:
    """Raise Refused if an undecided gate forbids the change.

    A person may cancel a step behind a gate. An agent may not, because others could begin then.
    """
    if hold is not None or state is not None:
        await gate_checks.check_no_gate(ctx, row)
    goes_on = ("in_progress", "in_review", "completed")
    if state in goes_on or (state == "cancelled" and not ctx.actor.is_person):
        await gate_checks.check_may_begin(ctx, row)
    await tool_checks.check_change(ctx, row, hold=hold, state=state)


async def _set_fields(ctx: Context, row: FullTask, fields: dict[str, Any]) -> list[Queued]:
    queued = await _relabel(ctx, row, fields)
    has: Row = row
    if changed := {name: value for name, value in fields.items() if has[name] != value}:
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], **tasks.encode(changed))
        await lifecycle.record_change(ctx.tx, row, ctx.actor.name, changed)
    return queued


async def _relabel(ctx: Context, row: FullTask, fields: dict[str, Any]) -> list[Queued]:
    """Queue a change of the labels that contradict the new values, because people read labels."""
    if not fields:
        return []
    where = await repository_of(ctx, row)
    here = (ctx.tx, ctx.installation_id)
    issue = await stored_issues.issue(*here, row["repository_id"], row["number"] or 0)
    if issue is None:
        return []
    now = json_text.value(issue["labels"])
    coming = await label_changes.coming_labels(ctx.tx, issue)
    after = label_changes.labels_after(now, coming)
    known = await label_names.labels(*here, row["repository_id"])
    if (wanted := task_labels.labels_for(after, fields, known.values())) == after:
        return []
    target = on_issue(where, issue["number"])
    change = list_change(now, wanted, coming)
    return [
        await queue(
            ctx, issue_changes.KIND, where, target, {"number": row["number"], "labels": change}
        )
    ]


def _is_held_against(ctx: Context, row: FullTask) -> bool:
    """Whether a person's hold forbids the change, because the actor is an agent."""
    return bool(row["held"]) and (row["held_by"] or "").startswith("@") and not ctx.actor.is_person


async def _set_hold(ctx: Context, row: FullTask, why: str, *, on: bool) -> None:
    as_it_is = bool(row["held"]) == on and (row["held_by"], row["held_why"]) in (
        (None, None),
        (ctx.actor.name, why),
    )
    if as_it_is or (on and _is_held_against(ctx, row)):
        return
    if not on:
        await lifecycle.resume(ctx.tx, row, ctx.actor.name)
        await hosted_claims.take_after_hold(ctx.tx, {**row, "held": 0})
    elif row["state"] in OPEN:
        await lifecycle.hold(ctx.tx, row, ctx.actor.name, why)
    else:
        raise lifecycle.illegal_transition(row, "held")


async def _end_or_retry(ctx: Context, row: FullTask, state: Decided, note: str) -> list[Queued]:
    """End or retry the task, and close or reopen its issue. Raise Refused."""
    if state == "pending":
        return await _retry(ctx, row, note)
    if state in ("in_progress", "in_review"):
        return await _send_work(ctx, row, state, note)
    if row["number"] is None:
        await _cancel_issue_write(ctx, row)
    _check_not_superseded(ctx, row)
    await lifecycle.move(ctx.tx, row, state, ctx.actor.name, note, at=ctx.decided_at)
    if row["state"] == state:  # the decision stands, and is newer than a reopening before it
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], ended_at=ctx.decided_at)
    if state == "cancelled":
        await orphaned_pulls.flag(ctx.tx, row)
    return await close_issue(ctx, row, "completed" if state == "completed" else "not_planned")


async def _send_work(ctx: Context, row: FullTask, to: Decided, note: str) -> list[Queued]:
    """Send somebody's work into review, or back from there. Raise Refused."""
    if row["lease_id"] is None:
        raise Refused(
            "illegal_transition",
            f"Nobody works on {lookup.name(row)}, so it cannot become {to}.",
            state=row["state"],
            legal=[],
        )
    _check_not_superseded(ctx, row)
    await lifecycle.move(ctx.tx, row, to, ctx.actor.name, note)
    return []


def _check_not_superseded(ctx: Context, row: FullTask) -> None:
    """Raise Refused for a command if the task ended, or began again, after it was written."""
    since = max(row["ended_at"] or 0, row["retried_at"] or 0)
    if ctx.decided_at + CLOCKS_DIFFER < since:
        raise Refused(
            "too_late",
            f"{lookup.name(row)} was ended or reopened after the command was written. Write it "
            "again if you still want it.",
        )


async def _retry(ctx: Context, row: FullTask, note: str) -> list[Queued]:
    if await cancel_and_retry.retry_of_parent(ctx, row, note):
        return []
    if row["state"] in OPEN:
        raise Refused(
            "illegal_transition",
            f"{lookup.name(row)} is {row['state']}, so there is nothing to retry."
            + (f" {_release(ctx)} to take it from {row['holder']}." if row["holder"] else "")
            + (f" {_resume(ctx)} to end the hold." if row["held"] else ""),
            state=row["state"],
            legal=[each for each in ("completed", "cancelled") if each != row["state"]],
        )
    _check_not_superseded(ctx, row)
    reopened = await reopen_issue(ctx, row)
    await lifecycle.move(ctx.tx, row, "pending", ctx.actor.name, note)
    await orphaned_pulls.withdraw(ctx.tx, row)
    return reopened


async def _cancel_issue_write(ctx: Context, row: FullTask) -> None:
    """Cancel the write of the issue. If it was sent already, the mirror closes the issue."""
    here = (ctx.tx, ctx.installation_id)
    why = {"code": "cancelled", "message": "The task ended before it had an issue.", "details": {}}
    for each in await writes.waiting(*here, f"task {row['id']}", "issue"):
        await write_cancellation.cancel(
            ctx.tx, each, why, author_knows=each["author"] == ctx.actor.name
        )


def _release(ctx: Context) -> str:
    return remedies.by(ctx.actor, person="Comment `/release`", agent="Call release_task")


def _resume(ctx: Context) -> str:
    return remedies.by(ctx.actor, person="Comment `/resume`", agent="Pass `hold` false")


def _new_task(ctx: Context) -> str:
    return remedies.by(
        ctx.actor, person="Open a new issue.", agent="Call create_task for a new task."
    )


async def reopen_issue(ctx: Context, row: FullTask) -> list[Queued]:
    """Queue the write that reopens the issue. Raise Refused if the task has none."""
    where = await repository_of(ctx, row)
    if row["number"] is None:
        raise Refused(
            "no_issue_yet",
            f"{lookup.name(row)} never got an issue. {_new_task(ctx)}",
        )
    if await mirror_rows.is_deleted(ctx.tx, "issues", ctx.installation_id, row["issue_id"]):
        raise Refused(
            "illegal_transition",
            f"The issue of {lookup.name(row)} was deleted. {_new_task(ctx)}",
            state=row["state"],
            legal=[],
        )
    await tasks.change(ctx.tx, ctx.installation_id, row["id"], retried_at=ctx.decided_at)
    here = (ctx.tx, ctx.installation_id)
    await issue_state.withdraw_queued(*here, where["id"], row["number"])
    issue = await stored_issues.issue(*here, where["id"], row["number"])
    if issue is not None and not await issue_state.needs_change(ctx.tx, issue, "open"):
        return []
    arguments = {"number": row["number"], "state": "open", "state_reason": "reopened"}
    return [await queue(ctx, issue_changes.KIND, where, on_issue(where, row["number"]), arguments)]


async def _change_blocker(ctx: Context, row: FullTask, other: str, kind: str) -> Queued:
    """Queue the change. `other` is owner/repo#12, or #12 for the same repository."""
    if row["number"] is None:
        raise Refused("no_issue_yet", f"GitHub has not numbered {lookup.name(row)} yet.")
    if "#" not in other:
        number = other if other.isdecimal() else "12"
        raise Refused(
            "invalid_arguments",
            f"{code(other[:200])} is not an issue. Write `#{number}`, or `owner/repo#{number}` for "
            "another repository.",
        )
    ref = f"{row['full_name']}{other}" if other.startswith("#") else other
    issue = await issue_of(ctx, ref)
    if issue["id"] == row["issue_id"]:
        raise Refused("invalid_arguments", "An issue cannot block itself.")
    where = await repository_of(ctx, row)
    if kind == "blocked_by_removal":
        await check_no_planned(ctx, row)
        await gate_checks.check_waits(ctx, issue["id"])
    else:
        await gate_checks.check_circle(ctx, row["issue_id"])
    arguments = {"number": row["number"], "issue_id": issue["id"]}
    if row["issue_id"] is not None:
        here = (ctx.tx, ctx.installation_id)
        await plan_notices.tell_of_graph(*here, row["issue_id"], ctx.actor.name)
    return await queue(ctx, kind, where, on_issue(where, row["number"]), arguments)


async def _current_view(ctx: Context, task_id: str) -> Task:
    """The task as it is now."""
    return task_view(await task_titles.with_title(ctx, await visible_task(ctx, task_id)))
