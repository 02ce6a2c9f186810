"""Brings what a delivery, or a read, says into the mirror, with all that follows from it."""

import json
from collections.abc import Callable
from dataclasses import asdict

from bot.comments import duplicates, markers
from bot.github.payloads import Mirrored
from bot.identity.keyring import Keys
from bot.mirror import activity, issue_effects, issue_links, silent_changes, transfers
from bot.mirror.webhooks.event import (
    Ask,
    Branch,
    Changes,
    ask_installation,
    ask_numbered,
    ask_repository,
)
from bot.mirror.webhooks.repositories import ask_branch
from store.engine.transaction import Row, Tx
from store.fetch import backfills, pending_reads
from store.mirror import (
    branches,
    dependency_cycles,
    mirror_rows,
    permissions,
    pulls,
    relations,
    search_index,
)
from store.mirror.mirror_rows import Put


async def apply(tx: Tx, keys: Keys, installation_id: int, changes: Changes) -> None:
    """Upsert the rows, settle ties by reads, move the tasks. Commands are the caller's."""
    await _take_turns(tx, installation_id, changes)
    for row in changes.earlier:
        await _bind(tx, keys, row)
    for moved in changes.moved:
        await transfers.carry(tx, installation_id, moved)
    for each in changes.rows:
        if each.table == "issues":
            await _bind(tx, keys, each.row)
        if each.table == "comments":
            each = await transfers.placed(tx, each)  # noqa: PLW2901 - the same, where it is now
        put = await mirror_rows.put(tx, each.table, each.row)
        if put.tie and each.table in TIES and mirror_rows.has_time(each.row["version"]):
            await ask(tx, installation_id, TIES[each.table](each.row))
        if put.won:
            await search_index.index(tx, each.table, each.row)
            await _follow(tx, each, put)
    await _unguarded(tx, installation_id, changes)
    brought = [each for moved in changes.moved for each in silent_changes.brought(moved)]
    for each_ask in (*changes.asks, *brought):
        await ask(tx, installation_id, each_ask)


async def ask(tx: Tx, installation_id: int, it: Ask) -> None:
    await pending_reads.ask(
        tx, installation_id, it.kind, it.subject, it.arguments, priority=it.priority
    )


async def _take_turns(tx: Tx, installation_id: int, changes: Changes) -> None:
    """One transaction at a time for each repository, for the boards, and for who waits for whom."""
    named = {row.row["repository_id"] for row in changes.rows if "repository_id" in row.row}
    named |= {row.row["id"] for row in changes.rows if row.table == "repositories"}
    named |= {moved.new_repository_id for moved in changes.moved}
    if any(row.table in OF_NO_REPOSITORY for row in changes.rows):
        await mirror_rows.lock_installation(tx, installation_id)
    for repository_id in sorted(named):
        await mirror_rows.lock_repository(tx, installation_id, repository_id)
    issues = [each.row for each in changes.rows if each.table == "issues"]
    related = bool(changes.related or changes.unrelated)
    if related or await dependency_cycles.turned(tx, installation_id, issues):
        await dependency_cycles.take_turn(tx, installation_id)


OF_NO_REPOSITORY = ("projects", "project_items", "project_values")


async def _unguarded(tx: Tx, installation_id: int, changes: Changes) -> None:
    """What GitHub gives no guard: believed for now."""
    for relation in changes.related:
        changed = await relations.put(tx, installation_id, asdict(relation))
        await issue_effects.relations_changed(tx, installation_id, changed)
    for gone in changes.unrelated:
        ends = (gone.source_id, gone.target_id)
        changed = await relations.remove(tx, installation_id, gone.kind, *ends)
        await issue_effects.relations_changed(tx, installation_id, changed)
    for branch in changes.branches:
        await _branch(tx, installation_id, branch)
    for repository_id, on in changes.selected:
        await mirror_rows.select_repository(tx, installation_id, repository_id, on)
        if not on:
            await backfills.forget(tx, installation_id, repository_id)
    for forgotten in changes.forgotten:
        which = (forgotten.repository_id, forgotten.login)
        await permissions.forget(tx, installation_id, *which)


async def _branch(tx: Tx, installation_id: int, branch: Branch) -> None:
    """A later push that goes on from where the branch was, or ends where it is, needs no read."""
    here = (installation_id, branch.repository_id, branch.name)
    known = await branches.get(tx, *here)
    goes_on = (
        known is not None
        and branch.before == known["sha"]
        and branch.pushed_at > known["pushed_at"]
        and branch.sha is not None
    )
    is_there = known is not None and branch.sha == known["sha"]
    if not (goes_on or is_there):
        await ask(tx, installation_id, ask_branch(branch.repository_id, branch.name))
    if known is None or branch.pushed_at >= known["pushed_at"]:
        await branches.put(tx, *here, branch.sha, branch.pushed_at)


async def _follow(tx: Tx, each: Mirrored, put: Put) -> None:
    for unheard in await silent_changes.follow(tx, each, put):
        await ask(tx, each.row["installation_id"], unheard)
    if each.table in FOLLOW:
        await FOLLOW[each.table](tx, each.row, put)


async def _issue(tx: Tx, row: Row, put: Put) -> None:
    await issue_effects.issue_changed(tx, row, put.before)


async def _pull_request(tx: Tx, row: Row, put: Put) -> None:
    here = (row["installation_id"], row["repository_id"], row["number"])
    named = [
        {"issue_repository": link.repository, "issue_number": link.number, "how": link.how}
        for link in issue_links.links(row["body"], row["head_ref"])
    ]
    await pulls.put_links(tx, *here, named)
    known = put.before and (put.before["head_sha"], put.before["base_ref"])
    if row["state"] == "open" and (row["head_sha"], row["base_ref"]) != known:
        await ask(tx, row["installation_id"], ask_numbered("pull_files", *here[1:]))
    await issue_effects.pull_changed(tx, row, put.before)


async def _installation(tx: Tx, row: Row, put: Put) -> None:
    gone = row["deleted"] or row["suspended_at"] is not None
    await mirror_rows.mark_gone(tx, row["installation_id"], gone=bool(gone))
    before = put.before
    if before is None or gone:
        return
    # What happened while it was away, or could not be seen, nobody told.
    if before["gone_at"] is not None or _granted(before["permissions"], row["permissions"]):
        await backfills.forget(tx, row["installation_id"])


def _granted(before: str, now: str) -> bool:
    """Whether the App may do more; nothing is known of one that only other events told of."""
    return before != "{}" and bool(json.loads(now).items() - json.loads(before).items())


async def _comment(tx: Tx, row: Row, put: Put) -> None:
    await duplicates.comment_came(tx, row, put)
    await issue_effects.comment_came(tx, row, put)
    await activity.comment_came(tx, row, put)


async def _review(tx: Tx, row: Row, put: Put) -> None:
    await activity.review_came(tx, row, put)
    await issue_effects.review_came(tx, row, put)


FOLLOW = {
    "issues": _issue,
    "pull_requests": _pull_request,
    "installations": _installation,
    "comments": _comment,
    "reviews": _review,
    "check_runs": activity.check_ended,
}


async def _bind(tx: Tx, keys: Keys, row: Row) -> None:
    """Our own issue came back: it belongs to the task that asked for it.

    Also by a text that is not the newest: somebody may have edited the mark away at once.
    """
    for marker in markers.find(keys, row["body"], row["author"]):
        if marker.kind == "task":
            here = (row["repository_id"], row["id"], row["number"])
            await issue_effects.issue_made(tx, row["installation_id"], marker.id, *here)


# Two contents of one second: what to ask GitHub. Labels are read with each of their events.
TIES: dict[str, Callable[[Row], Ask]] = {
    "installations": lambda row: ask_installation(row["installation_id"]),
    "repositories": lambda row: ask_repository("repository", row["id"]),
    "milestones": lambda row: ask_repository("milestones", row["repository_id"]),
    "issues": lambda row: ask_numbered("issue", row["repository_id"], row["number"]),
    "comments": lambda row: _within("comment", row, row["id"]),
    "pull_requests": lambda row: ask_numbered("pull_request", row["repository_id"], row["number"]),
    "reviews": lambda row: ask_numbered("reviews", row["repository_id"], row["number"]),
    "review_comments": lambda row: ask_numbered(
        "review_comments", row["repository_id"], row["number"]
    ),
    "check_runs": lambda row: ask_checks(row["repository_id"], row["head_sha"]),
    "workflow_runs": lambda row: _within("workflow_run", row, row["id"]),
    "workflow_jobs": lambda row: _within("workflow_jobs", row, row["run_id"]),
    "projects": lambda _: Ask("projects", "", {}),
    "project_items": lambda row: silent_changes.ask_item(row["id"]),
    "project_values": lambda row: silent_changes.ask_item(row["item_id"]),
}


def ask_comment(repository_id: int, row: Row) -> Ask:
    return _within("comment", row | {"repository_id": repository_id}, row["id"])


def _within(kind: str, row: Row, which: int) -> Ask:
    repository_id = row["repository_id"]
    arguments = {
        "repository_id": repository_id,
        "which": which,
        "number": row.get("number", which),
    }
    return Ask(kind, f"{repository_id} {which}", arguments)


def ask_checks(repository_id: int, sha: str, priority: int = 1) -> Ask:
    arguments = {"repository_id": repository_id, "sha": sha}
    return Ask("check_runs", f"{repository_id} {sha}", arguments, priority)
