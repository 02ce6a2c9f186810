"""What the mirror does with each table, in one table: read a line to know all that a row causes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.comments import duplicates
from bot.mirror import (
    activity,
    board_effects,
    comment_effects,
    hosted_effects,
    installation_effects,
    issue_effects,
    pull_effects,
    reads,
    repository_effects,
    silent_changes,
)
from bot.mirror.changes import Sender
from bot.repository import workflow_sessions
from bot.runs import binding, endings
from store.engine.transaction import Tx

# Each gets the row as it is now, and the row that it replaced. The table's name gives their type,
# which mypy cannot follow, so each function declares it.
Effect: TypeAlias = Callable[[Tx, Any, Any], Awaitable[None]]
# One that also gets who made the change, if a webhook says it.
Act: TypeAlias = Callable[[Tx, Any, Any, Sender | None], Awaitable[None]]
Stale: TypeAlias = Callable[[Tx, Any, Any], Awaitable[list[reads.Read]]]
# Which ids of the rows have neither stale rows nor effects.
WithoutEffects: TypeAlias = Callable[[Tx, int, Any], Awaitable[set[int]]]
# One that gets an installation and a repository.
OnNewRows: TypeAlias = Callable[[Tx, int, int], Awaitable[None]]


@dataclass(frozen=True)
class MirroredTable:
    """`tie` is the read that decides between two contents of one second.

    `stale` names rows that GitHub changed along with this one without a webhook. `effects` run in
    their order, then `acts`. `without_effects` says for which of many rows all of these do
    nothing. `on_new_rows` runs last, once for each repository that webhooks brought new rows of.
    `searched` says whether the full-text search finds its rows.
    """

    tie: Callable[[Any], reads.Read] | None = None
    stale: Stale | None = None
    effects: tuple[Effect, ...] = ()
    acts: tuple[Act, ...] = ()
    without_effects: WithoutEffects | None = None
    on_new_rows: OnNewRows | None = None
    searched: bool = False


TABLES: dict[str, MirroredTable] = {
    "installations": MirroredTable(
        tie=lambda row: reads.installation(row["installation_id"]),
        effects=(installation_effects.update_absence,),
    ),
    "repositories": MirroredTable(
        tie=lambda row: reads.repository("repository", row["id"]),
        effects=(repository_effects.update_absence, repository_effects.read_namesakes),
    ),
    # Every label event queues a read of all labels, so a tie needs none of its own.
    "labels": MirroredTable(stale=silent_changes.after_label),
    "milestones": MirroredTable(
        tie=lambda row: reads.repository("milestones", row["repository_id"]),
        stale=silent_changes.after_milestone,
    ),
    "issues": MirroredTable(
        tie=lambda row: reads.thread("issue", row["repository_id"], row["number"]),
        stale=silent_changes.after_issue,
        acts=(issue_effects.update_task, hosted_effects.follow_assignment),
        without_effects=issue_effects.without_effects,
        # A webhook about a new issue shows that the repository's issues are on.
        on_new_rows=repository_effects.fetch_refused_parts,
        searched=True,
    ),
    "comments": MirroredTable(
        tie=lambda row: reads.comment(row["repository_id"], row),
        effects=(
            duplicates.delete_second,
            comment_effects.answer_question,
            activity.append_commented,
        ),
        searched=True,
    ),
    "pull_requests": MirroredTable(
        tie=lambda row: reads.thread("pull_request", row["repository_id"], row["number"]),
        stale=silent_changes.after_pull,
        effects=(
            pull_effects.put_issue_links,
            pull_effects.update_files,
        ),
        # The check asks who holds the task, so it comes last.
        acts=(
            pull_effects.update_tasks,
            hosted_effects.follow_pull,
            pull_effects.refresh_checks,
        ),
        searched=True,
    ),
    "reviews": MirroredTable(
        tie=lambda row: reads.thread("reviews", row["repository_id"], row["number"]),
        effects=(activity.append_reviewed, pull_effects.apply_review),
        searched=True,
    ),
    "review_comments": MirroredTable(
        tie=lambda row: reads.thread("review_comments", row["repository_id"], row["number"]),
        searched=True,
    ),
    "review_threads": MirroredTable(),
    "check_runs": MirroredTable(
        tie=lambda row: reads.checks(row["repository_id"], row["head_sha"]),
        effects=(activity.append_checked,),
    ),
    "workflow_runs": MirroredTable(
        tie=reads.workflow_run,
        # The sessions of the run tell which agents worked in it, so they end last.
        effects=(binding.follow, endings.apply_end, workflow_sessions.end_with_run),
    ),
    "workflow_jobs": MirroredTable(
        tie=reads.workflow_jobs, effects=(endings.follow_job, activity.add_failed_steps)
    ),
    "projects": MirroredTable(
        tie=lambda _: reads.ALL_PROJECTS, effects=(board_effects.after_project,)
    ),
    "project_items": MirroredTable(
        tie=lambda row: reads.board_item(row["id"]),
        stale=silent_changes.after_board_item,
        acts=(board_effects.after_item,),
    ),
    "project_values": MirroredTable(
        tie=lambda row: reads.board_item(row["item_id"]), acts=(board_effects.after_value,)
    ),
}
