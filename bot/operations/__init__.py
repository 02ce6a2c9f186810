"""Every operation, in the order in which surfaces list them."""

from bot.kernel.operation import Operation
from bot.operations import events
from bot.operations.agents import control, directory, invitations, registration, spawned_runs
from bot.operations.code import diffs, file_lists, files
from bot.operations.contexts import context_snapshots, documents, listing, sharing
from bot.operations.github import (
    boards,
    builds,
    comments,
    commits,
    issues,
    overrides,
    pulls,
    reviews,
    search,
    threads,
    writes,
)
from bot.operations.messages import reading, sending
from bot.operations.tasks import (
    claims,
    creation,
    decisions,
    explanation,
    release,
    status,
    tasks,
    usage_reports,
)

OPERATIONS: dict[str, Operation] = {
    each.name: each
    for each in (
        registration.register_agent,
        registration.update_agent,
        directory.get_agent,
        directory.list_agents,
        control.manage_agent,
        invitations.invite_agent,
        spawned_runs.spawn_agent,
        spawned_runs.get_agent_status,
        spawned_runs.get_agent_result,
        spawned_runs.terminate_agent,
        tasks.create_task,
        creation.create_tasks,
        decisions.assign_task,
        decisions.change_task,
        claims.claim_task,
        release.release_task,
        status.update_task_status,
        tasks.get_task,
        tasks.list_tasks,
        explanation.explain_task,
        sending.send_message,
        reading.get_messages,
        reading.mark_message_read,
        sending.delete_message,
        sending.resend_message,
        documents.create_context,
        documents.update_context,
        sharing.share_context,
        documents.get_context,
        listing.list_contexts,
        context_snapshots.restore_context,
        context_snapshots.snapshot_contexts,
        issues.github_create_issue,
        issues.github_update_issue,
        comments.github_comment_issue,
        pulls.github_create_pr,
        pulls.github_update_pr,
        reviews.github_review_pr,
        commits.github_commit_files,
        boards.github_move_card,
        builds.github_report_check,
        overrides.override_check,
        builds.github_run_workflow,
        builds.github_cancel_workflow,
        file_lists.github_list_files,
        files.github_read_files,
        diffs.github_get_diff,
        threads.github_get_thread,
        search.github_search,
        events.wait_for_events,
        writes.get_write,
        writes.list_writes,
        writes.cancel_write,
        writes.get_budget,
        usage_reports.report_usage,
    )
}
