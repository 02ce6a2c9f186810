"""Claims of hosted agents: an issue that is assigned to one, or its pull request, takes the task.

So agents of Hubbub do not work on the same. A claim of a hosted agent does not expire. It ends when
the issue is no longer assigned to the agent and no pull request of it for the issue is open. Also
when its pull request was closed without a merge: then the assignment counts again with the next
one. All this follows from what the mirror holds, so the order of the webhooks does not matter.
"""

from bot.identity.actors import BOT, is_hosted
from bot.identity.hosted_agents import HostedAgent, first_of, of_login, with_logins
from bot.repository import repository_settings
from bot.tasks import lifecycle, publishing, pull_ties
from bot.tasks.states import CLAIMABLE, OPEN
from store.agents import agents
from store.engine import json_text
from store.engine.transaction import Row, Tx
from store.mirror import hosted_pulls, stored_issues
from store.mirror.hosted_pulls import LinkedPull
from store.tables.mirror import IssueRow, PullRequestRow
from store.tables.tasks import CONFIRMED
from store.tasks import claim_state, tasks
from store.tasks.tasks import FullTask


async def follow_assignment(
    tx: Tx, row: IssueRow, before: IssueRow | None, actor: str, *, by_bot: bool
) -> None:
    """Take the task for the hosted agent to which its issue is assigned now, or end its claim.

    `by_bot`: a bot assigned it, so the claim of a holder stays.
    """
    here = (tx, row["installation_id"])
    found = None if row["is_pull_request"] else await tasks.of_issue(*here, row["id"])
    task = found and await tasks.lock(*here, found["id"])
    if task is None or task["state"] not in OPEN or _says_nothing(task, row, before):
        return
    everybody = await _agents_of(tx, task)
    wanted = await _agent_at_work(tx, task, row, everybody)
    if wanted is None:
        if is_hosted(task["holder"]):
            await _end(tx, task, actor, "the issue is no longer assigned to it")
        return
    is_new = before is None or _is_new(row, before, everybody)
    # A task that nobody ever held may have been on hold, or no task, when it was assigned.
    if is_new or not task["fence"]:
        await _take(tx, task, wanted, actor, may_revoke=is_new and not by_bot)


def _says_nothing(task: FullTask, row: IssueRow, before: IssueRow | None) -> bool:
    """Whether the change of an issue, whose task was held before, leaves its assignees."""
    return (
        before is not None
        and task["fence"] > 0
        and (row["assignees"], row["state"]) == (before["assignees"], before["state"])
    )


def _is_new(row: IssueRow, before: IssueRow, everybody: list[HostedAgent]) -> bool:
    """Whether the issue was not assigned to this agent before, or was closed."""
    if before["state"] == "closed" or before["deleted"]:
        return True
    return first_of(_assignees(row), everybody) != first_of(_assignees(before), everybody)


def _assignees(row: IssueRow) -> list[str]:
    found: list[str] = json_text.value(row["assignees"])
    return found


async def _agents_of(tx: Tx, task: FullTask) -> list[HostedAgent]:
    settings = await repository_settings.of(tx, task["installation_id"], task["repository_id"])
    return with_logins(settings.hosted_agents)


async def _agent_at_work(
    tx: Tx, task: FullTask, issue: IssueRow, everybody: list[HostedAgent]
) -> HostedAgent | None:
    """The hosted agent that works on the task, by the issue and the pull requests for it."""
    theirs = await _pulls_of_hosted(tx, task, everybody)
    if working := [agent for agent, pull in theirs if pull["state"] == "open"]:
        return next((each for each in working if each.id == task["holder"]), working[0])
    assigned = first_of(_assignees(issue), everybody)
    gave_up = any(agent == assigned and not pull["merged"] for agent, pull in theirs)
    return None if gave_up else assigned


async def _pulls_of_hosted(
    tx: Tx, task: FullTask, everybody: list[HostedAgent]
) -> list[tuple[HostedAgent, LinkedPull]]:
    """Pull requests of hosted agents for the task, the newest first."""
    where = (task["installation_id"], task["repository_id"], task["number"] or 0)
    rows = await hosted_pulls.for_issue(
        tx, *where, task["full_name"], [login for each in everybody for login in each.logins]
    )
    found = [(of_login(row["author"], everybody), row) for row in rows]
    return [(agent, row) for agent, row in found if agent is not None]


async def follow_pull(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None, actor: str
) -> None:
    """Take the tasks that a hosted agent's pull request is for, or end its claims on them."""
    if not _matters(row, before):
        return
    settings = await repository_settings.of(tx, row["installation_id"], row["repository_id"])
    everybody = with_logins(settings.hosted_agents)
    agent = of_login(row["author"], everybody)
    if agent is None:
        return
    here = (tx, row["installation_id"])
    for found in await hosted_pulls.tasks_of(*here, row["repository_id"], row["number"]):
        task = await tasks.lock(*here, found)
        if task is None or task["state"] not in OPEN:
            continue
        if row["state"] == "open":
            await _work_on(tx, task, agent, row, actor)
        elif task["holder"] == agent.id and not row["merged"]:
            await _end_with_pull(tx, task, row, everybody, actor)


def _matters(row: PullRequestRow, before: PullRequestRow | None) -> bool:
    """Whether the change says something new about who works on what."""
    names = ("state", "draft", "body", "head_ref", "author", "deleted")
    return before is None or any(row[name] != before[name] for name in names)  # type: ignore[literal-required]


async def _work_on(
    tx: Tx, task: FullTask, agent: HostedAgent, row: PullRequestRow, actor: str
) -> None:
    """Take a free task for the pull request, and tie them. It takes no task from a holder."""
    held = await _take(tx, task, agent, actor, may_revoke=False)
    if held is None:
        return
    await pull_ties.tie(tx, held, row)
    if not row["draft"]:
        await pull_ties.send_to_review(tx, row)


async def _end_with_pull(
    tx: Tx, task: FullTask, row: PullRequestRow, everybody: list[HostedAgent], actor: str
) -> None:
    theirs = await _pulls_of_hosted(tx, task, everybody)
    if not any(agent.id == task["holder"] and each["state"] == "open" for agent, each in theirs):
        await _end(tx, task, actor, f"its pull request #{row['number']} was closed")


async def take_after_hold(tx: Tx, task: FullTask) -> None:
    """Take a task whose hold ended for the hosted agent that works on it.

    Unless it was the last who held the task: then somebody released it.
    """
    here = (tx, task["installation_id"], task["repository_id"])
    issue = await stored_issues.issue(*here, task["number"] or 0)
    if issue is None:
        return
    wanted = await _agent_at_work(tx, task, issue, await _agents_of(tx, task))
    if wanted is not None and task["last_holder"] != wanted.id:
        await _take(tx, task, wanted, wanted.id, may_revoke=False)


async def _take(
    tx: Tx, task: FullTask, agent: HostedAgent, actor: str, *, may_revoke: bool
) -> FullTask | None:
    """The task as the agent holds it now. None if it may not have it: a hold wins over all."""
    here = (tx, task["installation_id"])
    await _show_activity(tx, task["installation_id"], agent)
    if task["holder"] == agent.id:
        return task
    if task["held"]:
        return None
    if task["holder"] is not None and (may_revoke or is_hosted(task["holder"])):
        # A person's last word wins over a claim.
        by = "the issue was assigned" if actor == BOT else f"{actor} assigned the issue"
        why = f"{by} to {agent.name}"
        await lifecycle.release(tx, task, "revoked", why, actor)
        task = await tasks.lock(*here, task["id"]) or task
    if task["state"] == "assigned":
        await lifecycle.end_reservation(tx, task, actor, f"{agent.name} works on it")
        task = await tasks.lock(*here, task["id"]) or task
    if task["holder"] is not None or task["state"] not in CLAIMABLE:
        return None
    state = await claim_state.of(tx, task, agent.id, publishing.card_target(task["id"]))
    claimed = await lifecycle.claim(tx, task, state, agent.id, None, known=CONFIRMED)
    return claimed and await pull_ties.tie_claimed(tx, claimed)


async def _end(tx: Tx, task: FullTask, actor: str, why: str) -> None:
    await lifecycle.release(tx, task, "released", why, actor)


async def _show_activity(tx: Tx, installation_id: int, agent: HostedAgent) -> None:
    """Let the list of agents have it, as active now."""
    now = await tx.now()
    row: Row = {
        "installation_id": installation_id,
        "id": agent.id,
        "name": agent.name,
        "system_name": agent.system,
        # It calls nothing, so it needs no more.
        "role": "observer",
        "registered_at": now,
        "last_active_at": now,
    }
    await agents.lock_or_add(tx, row)
    await agents.change(tx, installation_id, [agent.id], left_at=None, last_active_at=now)
