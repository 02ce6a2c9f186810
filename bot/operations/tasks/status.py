"""Reports of a task's holder."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from bot.comments import answerers, replies
from bot.contexts import contents
from bot.errors import Refused
from bot.kernel.operation import Context, TaskRef, operation
from bot.operations.arguments import Fence, Note
from bot.operations.files import attaching
from bot.operations.files.views import FileIds
from bot.operations.github import clean_texts, open_pulls
from bot.operations.github.comment_limits import admit_comment
from bot.operations.github.targets import on_issue, repository_of
from bot.operations.github.writing import Queued, queue
from bot.operations.tasks import holds, requested_changes, task_titles
from bot.operations.tasks.access import held_task, visible_task
from bot.operations.tasks.views import OneTask, task_view
from bot.operations.workflows import gate_checks, step_outputs
from bot.tasks import issue_state, lifecycle, lookup
from bot.tasks.states import OPEN, REPORTED
from store.engine.transaction import Row
from store.mirror import stored_issues
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import workflows

Question: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4000,
        description="asks people in a comment; your lease waits for the answer",
    ),
]


Outputs: TypeAlias = Annotated[
    dict[str, Any] | None,
    AfterValidator(contents.validate),
    Field(repr=False, description="of a workflow's step, by name"),
]


class Reported(OneTask):
    hint: str | None = Field(
        None, description="why its review waits for you", exclude_if=lambda hint: hint is None
    )


@operation()
async def update_task_status(
    ctx: Context,
    task: TaskRef,
    status: Annotated[REPORTED, Field(description="the task's state now")],
    fence: Fence | None = None,
    progress: Annotated[int, Field(ge=0, le=100, description="percent")] | None = None,
    note: Annotated[Note | None, Field(description="what people read on the card")] = None,
    result: Annotated[str, Field(max_length=20_000, description="the outcome")] | None = None,
    question: Question | None = None,
    outputs: Outputs = None,
    attachments: FileIds = [],  # noqa: B006 - pydantic copies it
) -> Reported:
    """Report how far you are.

    in_review: your lease does not expire. completed closes the issue. failed gives the task
    up.
    """
    row = await held_task(ctx, task, fence, even_on_hold=True)
    given = {"progress": progress, "note": note, "result": result, "question": question}
    holds.check_report(ctx, row, status, {name for name, each in given.items() if each is not None})
    await _check_may_end(ctx, row, status)
    await step_outputs.keep(ctx, row, status, outputs)
    if status == "in_review" and row["state"] != status and not (question or (note or "").strip()):
        await _check_has_pull(ctx, row)
    texts, cleaned = clean_texts.for_card({"note": note, "result": result, "question": question})
    question = texts.pop("question", None)
    now = 100 if status == "completed" and progress is None else progress
    await attaching.attach(ctx, "task", row["id"], await attaching.check(ctx, attachments))
    changes: Row = {**texts} if now is None else {**texts, "progress": now}
    after = row
    if changes:
        changes = {**changes, "reported_under": row["lease_id"]}
        after = await tasks.change_row(ctx.tx, row, **changes)
    is_answered = bool(row["question"]) and status == "in_progress"
    if question is not None:
        cleaned += await _ask(ctx, row, status, question)
    elif is_answered:
        # A holder that continues no longer waits for an answer.
        await lifecycle.record_answer(ctx.tx, row, ctx.actor.name)
    elif status == row["state"]:
        await lifecycle.record(ctx.tx, row, lifecycle.PROGRESS, ctx.actor.name, progress=progress)
    if question is not None or is_answered:
        # A question parks the lease, and an answer ends that: read the task as it is now.
        after = await visible_task(ctx, row["id"])
    if status != row["state"]:
        is_end = status not in OPEN and after["progress"] != row["progress"]
        before = row["progress"] if is_end else None
        await lifecycle.move(ctx.tx, after, status, ctx.actor.name, progress_before=before)
        after = await visible_task(ctx, row["id"])
    if status == "completed":
        await close_issue(ctx, row, "completed")
    begins_review = status == "in_review" and row["state"] != status
    hint = await requested_changes.hint(ctx, row) if begins_review else None
    return Reported(
        task=task_view(await task_titles.with_title(ctx, after)), cleaned=cleaned, hint=hint
    )


async def _check_has_no_running_workflow(ctx: Context, row: FullTask) -> None:
    """Raise Refused if the end of the task would end a workflow under it."""
    here = (ctx.tx, ctx.installation_id)
    for each in await workflows.running_of_parents(*here, [row["id"]]):
        raise Refused(
            "workflow_running",
            f"The workflow {each['name']} ({each['id']}) runs under {lookup.name(row)}. Hubbub "
            "completes the task when all steps have ended. Release the task if you have nothing "
            "more to do; cancel_workflow ends the workflow. Nothing was changed.",
            workflow=each["id"],
        )


async def _check_may_end(ctx: Context, row: FullTask, status: str) -> None:
    """Raise Refused if a gate, or its pull request, forbids to complete or hand in the task."""
    if status in ("completed", "in_review"):
        await gate_checks.check_may_begin(ctx, row)
    if status == "completed":
        await _check_has_no_open_pull(ctx, row)
        await _check_has_no_running_workflow(ctx, row)


async def _check_has_no_open_pull(ctx: Context, row: FullTask) -> None:
    """Raise Refused while the task's work waits to be merged."""
    pull = await open_pulls.of_task(ctx, row)
    if pull is None:
        return
    which = f"#{pull.number}" if pull.number else f"queued as {pull.write_id}"
    raise Refused(
        "pull_request_open",
        f"The pull request of {lookup.name(row)}, {which}, is not merged. Report in_review: its "
        "merge completes the task. If its work is not wanted, close it with github_update_pr, or "
        "cancel_write while it is queued. Nothing was changed.",
        pull_request=pull.number,
        write_id=pull.write_id,
    )


async def _check_has_pull(ctx: Context, row: FullTask) -> None:
    """Raise Refused if there is nothing to review."""
    if await open_pulls.of_task(ctx, row) is None:
        raise Refused(
            "no_pull_request",
            f"{lookup.name(row)} has no open pull request. Call github_create_pr first, or pass "
            "`note` with what to review instead. Nothing was changed.",
        )


async def _ask(ctx: Context, row: FullTask, status: str, question: str) -> list[str]:
    """Ask people in a comment. Return what was cleaned in it. Raise Refused."""
    if status not in ("in_progress", "in_review"):
        raise Refused(
            "invalid_arguments",
            f"A task that is {status} has no holder to wait for the answer. Pass `question` with "
            "`status` in_progress or in_review.",
        )
    if row["question"] == question:
        return []  # it stands there already
    where = await repository_of(ctx, row)
    number = row["number"] or 0
    await admit_comment(ctx, where, number)
    # The body may be cleaned, so the question stands beside it.
    people = await answerers.of_task(ctx.tx, row)
    body = replies.question_comment(question, people)
    arguments = {"number": number, "body": body, "question": question}
    queued = await queue(ctx, "comment", where, on_issue(where, number), arguments, row)
    await lifecycle.ask_people(ctx.tx, row, question, ctx.actor.name, people)
    return queued.cleaned


async def close_issue(ctx: Context, row: FullTask, reason: str) -> list[Queued]:
    """With the task; `reason` is GitHub's: completed or not_planned."""
    issue = await stored_issues.issue(
        ctx.tx, ctx.installation_id, row["repository_id"], row["number"] or 0
    )
    if issue is None:
        return []
    await issue_state.withdraw_queued(
        ctx.tx, ctx.installation_id, row["repository_id"], issue["number"]
    )
    if not await issue_state.needs_change(ctx.tx, issue, "closed"):
        return []
    where = await repository_of(ctx, row)
    arguments = {"number": row["number"], "state": "closed", "state_reason": reason}
    return [await queue(ctx, "issue_update", where, on_issue(where, issue["number"]), arguments)]
