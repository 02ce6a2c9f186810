"""Every operation, in the order in which surfaces list them."""

from bot.operation import Operation
from bot.operations import (
    agents,
    boards,
    builds,
    claims,
    comments,
    commits,
    flow,
    issues,
    messages,
    pulls,
    reports,
    search,
    steering,
    tasks,
    threads,
)

OPERATIONS: dict[str, Operation] = {
    each.name: each
    for each in (
        agents.register_agent,
        agents.update_agent,
        agents.get_agent,
        agents.list_agents,
        tasks.create_task,
        steering.assign_task,
        steering.change_task,
        claims.claim_task,
        claims.release_task,
        reports.update_task_status,
        tasks.get_task,
        tasks.list_tasks,
        claims.explain_task,
        messages.send_message,
        messages.get_messages,
        messages.mark_message_read,
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
        flow.get_write,
        flow.cancel_write,
        flow.get_budget,
    )
}
