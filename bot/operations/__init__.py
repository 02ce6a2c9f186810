"""Every operation, in the order in which surfaces list them."""

from bot.operation import Operation
from bot.operations import agents, github, messages, search, tasks, threads

OPERATIONS: dict[str, Operation] = {
    each.name: each
    for each in (
        agents.register_agent,
        agents.update_agent,
        agents.get_agent,
        agents.list_agents,
        tasks.create_task,
        tasks.claim_task,
        tasks.release_task,
        tasks.update_task_status,
        tasks.get_task,
        tasks.list_tasks,
        messages.send_message,
        messages.get_messages,
        messages.mark_message_read,
        github.github_create_issue,
        github.github_comment_issue,
        github.github_create_pr,
        threads.github_get_thread,
        search.github_search,
        github.get_write,
    )
}
