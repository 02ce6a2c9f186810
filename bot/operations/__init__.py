"""Every operation, in the order in which surfaces list them."""

from bot.kernel.operation import Operation
from bot.operations import agents, context_snapshots, contexts, events, messages
from bot.operations.github import (
    boards,
    builds,
    comments,
    commits,
    issues,
    pulls,
    search,
    threads,
    writes,
)
from bot.operations.tasks import claims, decisions, status, tasks

OPERATIONS: dict[str, Operation] = {
    each.name: each
    for each in (
        agents.register_agent,
        agents.update_agent,
        agents.get_agent,
        agents.list_agents,
        agents.manage_agent,
        tasks.create_task,
        decisions.assign_task,
        decisions.change_task,
        claims.claim_task,
        claims.release_task,
        status.update_task_status,
        tasks.get_task,
        tasks.list_tasks,
        claims.explain_task,
        messages.send_message,
        messages.get_messages,
        messages.mark_message_read,
        messages.delete_message,
        messages.resend_message,
        contexts.create_context,
        contexts.update_context,
        contexts.share_context,
        contexts.get_context,
        contexts.list_contexts,
        context_snapshots.restore_context,
        context_snapshots.snapshot_contexts,
        issues.github_create_issue,
        issues.github_update_issue,
        comments.github_comment_issue,
        pulls.github_create_pr,
        pulls.github_update_pr,
        pulls.github_review_pr,
        commits.github_commit_files,
        boards.github_move_card,
        builds.github_report_check,
        builds.github_run_workflow,
        builds.github_cancel_workflow,
        threads.github_get_thread,
        search.github_search,
        events.wait_for_events,
        writes.get_write,
        writes.cancel_write,
        writes.get_budget,
    )
}
