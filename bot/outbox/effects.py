"""Store the decision about a write, and apply its effects to the mirror and to its task."""

from collections.abc import Awaitable, Callable
from typing import Any

from bot.github import rate_limit_store
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.mirror import activity, issue_effects, own_commits, pull_effects, pushes, reads
from bot.outbox import board_results, fairness, relation_effects
from bot.outbox.outcomes import Cancelled, Dead, Final, PutOff, Refused, Sent
from bot.pulls import checks
from bot.runs import binding, spawning
from bot.tasks import issue_state, lifecycle
from bot.tasks.states import OPEN
from store.audit import records
from store.engine.transaction import Tx
from store.mirror import branches, mirror_rows, pulls, stored_installations
from store.outbox import budgets, issue_changes, queued_replies, write_attempts, writes
from store.tables.outbox import WriteRow
from store.tasks import tasks

# What GitHub answers about a comment that somebody deleted.
GONE = (404, 410)


async def apply(tx: Tx, write: WriteRow, decision: Final) -> None:
    """Store the decision about a write. Do nothing if another attempt was made since."""
    await board_results.lock(tx, write)
    await relation_effects.lock(tx, write)
    match decision:
        case Sent(result):
            if await write_attempts.finish(tx, write, "sent", result):
                await _record_end(tx, write, "sent")
                await apply_success(tx, write, result)
        case Refused(error):
            await _fail(tx, write, "refused", error, error["message"])
        case Dead(error, why):
            await _fail(tx, write, "dead", error, why)
        case Cancelled(error):
            await _fail(tx, write, "cancelled", error, error["message"])
        case PutOff():
            await _put_off(tx, write, decision)


async def _fail(tx: Tx, write: WriteRow, state: str, error: dict[str, Any], why: str) -> None:
    if not await write_attempts.finish(tx, write, state, error):
        return
    await _record_end(tx, write, state, error.get("code", ""))
    apply_end = apply_cancellation if state == "cancelled" else apply_failure
    await apply_end(tx, write, why)
    if write["kind"] == "reply" and error.get("details", {}).get("status") in GONE:
        await _post_reply_again(tx, write)
    if state != "cancelled":
        await board_results.apply_failure(tx, {**write, "error": error}, is_cancelled=False)
    if _is_by_agent(write):
        await event_recorder.wake(tx, write["installation_id"], write["author"], BOT)


async def _post_reply_again(tx: Tx, write: WriteRow) -> None:
    """Post the reply as a new comment: a person deleted the one that it should have edited."""
    if write["arguments"].get("new") or await queued_replies.comment_of(tx, write) is None:
        return
    await writes.queue(
        tx,
        write["installation_id"],
        kind=write["kind"],
        repository_id=write["repository_id"],
        target=write["target"],
        arguments={**write["arguments"], "new": True},
        author=write["author"],
        lane=write["lane"],
    )


async def _record_end(tx: Tx, write: WriteRow, state: str, code: str = "") -> None:
    """Record in the audit how a write of an agent or a person ended."""
    if write["author"] == BOT:
        return
    i, data = write["installation_id"], {"kind": write["kind"], "task": write["task_id"]}
    outcome: records.Outcome = "done" if state == "sent" else "refused"
    await records.append(
        tx, i, write["author"], f"write.{state}", write["id"], outcome=outcome, code=code, data=data
    )


def _is_by_agent(write: WriteRow) -> bool:
    return write["author"] != BOT and not write["author"].startswith("@")


async def _put_off(tx: Tx, write: WriteRow, decision: PutOff) -> None:
    if decision.give_back:
        await _give_back(tx, write)
    until = await tx.now() + decision.wait
    again = {"looks": decision.looks, "failed": int(decision.failed)}
    await write_attempts.put_off(tx, write, decision.state, until, why=decision.why, **again)
    if decision.token_status in (403, 404):
        await _read_installation(tx, write["installation_id"])


async def _read_installation(tx: Tx, installation_id: int) -> None:
    """The App may be uninstalled or suspended, and the webhook may be lost."""
    known = await stored_installations.installation(tx, installation_id)
    if known is None or known["gone_at"] is None:
        await reads.queue(tx, installation_id, reads.installation(installation_id, reads.NOW))


async def _give_back(tx: Tx, write: WriteRow) -> None:
    """Return to the limits the cost of a request that was not sent."""
    here = (tx, write["installation_id"])
    await rate_limit_store.spend(*here, fairness.cost(write), back=True)
    await budgets.spend(*here, write["author"], -1)


# For kinds of write that have a room of their own.
RECORD_SENT: dict[str, Callable[[Tx, WriteRow, dict[str, Any]], Awaitable[None]]] = {
    checks.KIND: checks.record_sent,
    spawning.KIND: binding.bind_sent,
}


async def apply_success(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    """Update the mirror and the task after a write took effect."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    if "branch" in write["arguments"]:
        parent = await _head_before(tx, write)
        await _move_branch(tx, write, parent, result["head"])
        if write["kind"] == "commit":
            await own_commits.keep(tx, write, parent)
            await pushes.append_commit(tx, write, result["head"])
    await relation_effects.apply_success(tx, write)
    if record_sent := RECORD_SENT.get(write["kind"]):
        await record_sent(tx, write, result)
    await board_results.apply_success(tx, write, result)
    if write["kind"] == "comment" and _is_by_agent(write):
        await _append_comment(tx, write, result)
    if write["kind"] == "issue_update" and "state" in write["arguments"]:
        await issue_effects.apply_sent_state(tx, write)
    if task_id is None:
        return
    if write["kind"] == "card":
        await tasks.change(tx, installation_id, task_id, card_comment_id=result["comment_id"])
    elif write["kind"] == "issue":
        here = (write["repository_id"], result["id"], result["number"])
        await issue_effects.bind_issue(tx, installation_id, task_id, *here)
        tx.rings.add(f"installation {installation_id}")
    elif write["kind"] == "pull":
        await _link_pull(tx, write, task_id, result["number"])


async def _link_pull(tx: Tx, write: WriteRow, task_id: str, number: int) -> None:
    """The task has a pull request now. It may have been merged already."""
    installation_id = write["installation_id"]
    task = await tasks.get(tx, installation_id, task_id)
    # The webhook may have come first.
    if task is not None and task["pull_number"] != number:
        await tasks.change(tx, installation_id, task_id, pull_number=number)
        await lifecycle.record(tx, task, "task.pull", write["author"], number=number)
    here = (installation_id, write["repository_id"], number)
    if (row := await pulls.pull_request(tx, *here)) is not None:
        await pull_effects.update_tasks(tx, row, None)


async def _head_before(tx: Tx, write: WriteRow) -> str | None:
    """The commit that the write built on."""
    given, i = write["arguments"], write["installation_id"]
    before = await writes.get(tx, i, given["after"]) if "after" in given else None
    head: str | None = given.get("head") or (before and (before["result"] or {}).get("head"))
    return head


async def _append_comment(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    """Report an agent's comment. Its webhook is by the App, so it reports nothing."""
    given = write["arguments"]
    here = (tx, write["installation_id"], write["repository_id"], given["number"])
    if "question" not in given:
        data = {"comment_id": result["comment_id"]}
        await activity.append_comment(*here, write["author"], data, given["body"])


async def _move_branch(tx: Tx, write: WriteRow, was: str | None, head: str) -> None:
    """Move the branch in the mirror, as the next commit may come before the webhook does.

    Leave it if the branch has another head by now.
    """
    given, here = write["arguments"], (write["installation_id"], write["repository_id"])
    known = await branches.get(tx, *here, given["branch"])
    if known is None or known["sha"] == was:
        await branches.put_answer(tx, *here, given["branch"], head)


async def apply_cancellation(tx: Tx, write: WriteRow, why: str) -> None:
    """Update the task. What shows its state is queued again by the bot, because the state stays."""
    await apply_failure(tx, write, why)
    here = (tx, write["installation_id"])
    number = write["arguments"].get("number")
    if (
        write["kind"] == issue_changes.KIND
        and number is not None
        and (task := await tasks.by_number(*here, write["repository_id"], number))
    ):
        await issue_state.follow(tx, task)
    await board_results.apply_failure(tx, write, is_cancelled=True)


async def apply_failure(tx: Tx, write: WriteRow, why: str) -> None:
    """Update the task after a write was refused, cancelled or given up."""
    await relation_effects.apply_failure(tx, write, why)
    if write["kind"] == spawning.KIND:
        await binding.end_unsent(tx, write, why)
    if write["kind"] == "review":
        await _show_without_verdict(tx, write)
    if write["kind"] == checks.KIND:
        await checks.record_failure(tx, write)
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await tasks.lock(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    task_id = task["id"]
    if write["kind"] == "issue" and task["number"] is None and task["state"] in OPEN:
        await tasks.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await lifecycle.move(tx, task, "failed", BOT, "its issue could not be made")
    if task["question"] and write["arguments"].get("question") == task["question"]:
        await lifecycle.withdraw_question(tx, task, why)
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror_rows.is_deleted(
        tx, "comments", installation_id, card
    ):
        # Somebody deleted the card, so the next change posts a new one. A 404 alone is no proof:
        # the App may have been unable to see the comment for a while.
        await tasks.change(tx, installation_id, task_id, card_comment_id=None)


async def _show_without_verdict(tx: Tx, write: WriteRow) -> None:
    """The verdict of a review that was not posted does not count, so the card loses it."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    if (row := await pulls.pull_request(tx, *here)) is not None:
        await pull_effects.show_verdicts(tx, row)
