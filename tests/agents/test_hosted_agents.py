"""Agents that GitHub hosts, such as Copilot, are seen: nobody else works on what they work on."""

import itertools
from typing import Any

import pytest

from bot.identity.hosted_agents import BUILT_IN, HostedAgent, first_of, of_login, with_logins
from fixtures.github import Delivery, Issue, Person, Pull
from tests.messages.test_notices import holding, words
from tests.pulls.test_checks import checks
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace

COPILOT = "hosted-copilot"
SETTINGS = ".github/hubbub.yml"


def copilot_of(workspace: Workspace, login: str = "Copilot") -> Person:
    return workspace.github.hosted_agent(login, workspace.repository.full_name)


def open_pull(workspace: Workspace, copilot: Person, issue: Issue, *, draft: bool = True) -> Pull:
    """A pull request of the hosted agent, as it opens one as soon as it begins."""
    branch = f"copilot/fix-{issue.number}"
    copilot.push(workspace.repository, branch, {"a.py": f"{issue.number}\n"})
    text = f"Fixes #{issue.number}"
    return copilot.open_pull(workspace.repository, "[WIP] Mend", text, head=branch, draft=draft)


async def state_of(workspace: Workspace, issue: Issue) -> tuple[str, str | None]:
    rows = await workspace.rows(
        "SELECT state, holder FROM tasks WHERE installation_id = :i AND number = :n",
        n=issue.number,
    )
    return rows[0]["state"], rows[0]["holder"]


@ON_SQLITE
@pytest.mark.parametrize("login", ["openai-code-agent", "copilot-swe-agent"])
async def test_a_person_whose_login_looks_like_a_hosted_agent_takes_no_task(
    workspace: Workspace, login: str
) -> None:
    issue = await workspace.task()
    stranger = workspace.github.person(login, permissions={"acme/rocket": "read"})
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    text = f"Closes #{issue.number}"
    stranger.open_pull(workspace.repository, title="Mend", head="fix", body=text)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)


async def test_an_issue_that_is_assigned_to_copilot_is_claimed_in_its_name(
    workspace: Workspace,
) -> None:
    issue, ada = await workspace.task(), await workspace.agent("ada")
    copilot_of(workspace)
    workspace.person.assign(issue, "Copilot")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)
    refused = await ada.refusal("claim_task", task=workspace.name(issue))
    assert (refused.code, refused.details["holder"]) == ("already_claimed", COPILOT)
    assert (await ada.refusal("claim_task")).code == "nothing_ready"
    (seen,) = (await ada.call("list_agents", system="copilot"))["agents"]
    assert (seen["id"], seen["name"], seen["holds"]) == (
        COPILOT,
        "GitHub Copilot",
        [workspace.name(issue)],
    )
    # Nothing renews its claim, and it lasts.
    await workspace.time_passes(3 * 24 * 3600)
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)
    workspace.person.unassign(issue, "Copilot")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    await ada.call("claim_task", task=workspace.name(issue))


async def test_a_pull_request_of_copilot_takes_the_task_and_its_merge_completes_it(
    workspace: Workspace,
) -> None:
    issue, copilot = await workspace.task(), copilot_of(workspace)
    pull = open_pull(workspace, copilot, issue)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)
    # The check knows that the pull request is the holder's.
    assert [each.progress.conclusion for each in checks(workspace, pull.head_sha)] == ["success"]
    copilot.ready_for_review(pull)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_review", COPILOT)
    workspace.person.merge(pull)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("completed", None)


async def test_a_pull_request_that_is_closed_without_a_merge_ends_the_claim(
    workspace: Workspace,
) -> None:
    issue, copilot = await workspace.task(), copilot_of(workspace)
    workspace.person.assign(issue, "Copilot")
    pull = open_pull(workspace, copilot, issue, draft=False)
    await workspace.settle()
    workspace.person.close(pull)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    # The assignment stays on GitHub, and counts again with the next pull request.
    workspace.person.add_label(issue, "bug")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    workspace.person.reopen(pull)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_review", COPILOT)


async def test_the_assignment_is_a_persons_last_word_and_revokes_the_claim_of_an_agent(
    workspace: Workspace,
) -> None:
    where, scout, _ = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    copilot_of(workspace)
    # A read decides between two contents of one second, and does not tell who changed it.
    workspace.clock.forward(2)
    workspace.person.assign(issue, "Copilot")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)
    said = await words(scout, "lease_lost")
    assert "@octocat assigned the issue to GitHub Copilot" in said
    assert "hosted-copilot holds the task now" in said


async def test_a_pull_request_alone_takes_no_task_from_its_holder(workspace: Workspace) -> None:
    where, _, _ = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    open_pull(workspace, copilot_of(workspace), issue)
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", "scout")


async def test_a_person_releases_the_claim_and_it_does_not_come_back(workspace: Workspace) -> None:
    issue, ada = await workspace.task(), await workspace.agent("ada")
    copilot = copilot_of(workspace)
    workspace.person.assign(issue, "Copilot")
    pull = open_pull(workspace, copilot, issue)
    await workspace.settle()
    workspace.person.comment(issue, "/release")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    workspace.person.add_label(issue, "bug")
    copilot.push(workspace.repository, pull.head, {"b.py": "1\n"})
    workspace.person.comment(issue, "/hold")
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    await ada.call("claim_task", task=workspace.name(issue))


async def test_a_hold_wins_and_the_task_goes_to_copilot_when_it_ends(workspace: Workspace) -> None:
    issue = await workspace.task()
    copilot_of(workspace)
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.person.assign(issue, "Copilot")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)


async def test_an_issue_that_becomes_a_task_later_belongs_to_copilot_too(
    workspace: Workspace,
) -> None:
    copilot_of(workspace)
    issue = workspace.person.open_issue(workspace.repository, "Mend it", assignees=["Copilot"])
    await workspace.settle()
    workspace.person.add_label(issue, "agent-task")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)


async def test_a_reservation_ends_when_a_person_assigns_copilot(workspace: Workspace) -> None:
    issue = await workspace.task()
    await workspace.agent("ada")
    copilot_of(workspace)
    workspace.person.comment(issue, "/assign ada")
    await workspace.settle()
    workspace.person.assign(issue, "Copilot")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", COPILOT)


async def refusal_words(agent: Agent, operation: str, **given: Any) -> tuple[str, str]:
    refused = await agent.refusal(operation, **given)
    return refused.code, refused.message


@ON_SQLITE
async def test_nobody_sends_messages_to_a_hosted_agent_or_reserves_tasks_for_it(
    workspace: Workspace,
) -> None:
    issue, lead = await workspace.task(), await workspace.agent("ada", "tech-lead")
    copilot_of(workspace)
    workspace.person.assign(issue, "Copilot")
    await workspace.settle()
    where, other = workspace.name(issue), await workspace.task("Other")
    for to in (COPILOT, "holder"):
        code, message = await refusal_words(lead, "send_message", to=to, body="x", task=where)
        assert code == "not_reachable"
        assert "Comment on the issue" in message
    # A message to all reaches those that can read it.
    assert (await lead.refusal("send_message", to="everybody", body="x")).code == "unknown_agent"
    code, message = await refusal_words(
        lead, "assign_task", task=workspace.name(other), agent_id=COPILOT
    )
    assert (code, "Assign the issue to it on GitHub" in message) == ("not_claimable", True)
    workspace.person.comment(issue, "/ask How far are you?")
    await workspace.settle()
    rows = "SELECT seq FROM notices WHERE installation_id = :i AND agent_id = :a"
    assert await workspace.rows(rows, a=COPILOT) == []


@ON_SQLITE
async def test_its_comments_are_those_of_a_bot(workspace: Workspace) -> None:
    where, scout, _ = await holding(workspace)
    issue = workspace.repository.issues[int(where.partition("#")[2])]
    copilot_of(workspace).comment(issue, "/cancel it")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", "scout")
    thread = await scout.call("github_get_thread", task=where)
    assert [(each["author"], each["bot"]) for each in thread["texts"][1:]] == [
        ("Copilot[bot]", True)
    ]


@ON_SQLITE
async def test_a_repository_names_more_logins(workspace: Workspace) -> None:
    text = "hosted_agents:\n  devin: ['devin-ai-integration[bot]']\n"
    workspace.person.push(workspace.repository, "main", {SETTINGS: text})
    await workspace.settle()
    issue = await workspace.task()
    copilot_of(workspace, "devin-ai-integration[bot]")
    workspace.person.assign(issue, "devin-ai-integration[bot]")
    await workspace.settle()
    assert await state_of(workspace, issue) == ("in_progress", "hosted-devin")


# What happens, in its order. Each gives one or more webhooks.
STORY = ("assigned", "opened", "closed")


@ON_SQLITE
@pytest.mark.parametrize("order", list(itertools.permutations(range(len(STORY)))))
async def test_webhooks_in_any_order_and_twice_end_in_the_same_claim(
    workspace: Workspace, order: tuple[int, ...]
) -> None:
    issue, copilot = await workspace.task(), copilot_of(workspace)
    workspace.github.hold_deliveries()
    parts: list[list[Delivery]] = []

    def note() -> None:
        known = [each for part in parts for each in part]
        new = [each for each in workspace.github.held_deliveries if each not in known]
        parts.append(new)

    workspace.person.assign(issue, "Copilot")
    note()
    pull = open_pull(workspace, copilot, issue)
    note()
    workspace.person.close(pull)
    note()
    for n in order:
        for delivery in [*parts[n], *parts[n]]:
            await workspace.github.post(delivery)
        await workspace.settle()
    workspace.github.release_deliveries()
    await workspace.settle()
    assert await state_of(workspace, issue) == ("pending", None)


# --- The table of logins --------------------------------------------------------------------------


@pytest.mark.parametrize("agent", BUILT_IN, ids=lambda each: each.system)
def test_each_login_belongs_to_one_hosted_agent(agent: HostedAgent) -> None:
    for login in agent.logins:
        assert of_login(login.upper(), BUILT_IN) == agent
    assert agent.id == f"hosted-{agent.system}"


def test_settings_add_logins_to_a_known_agent_and_new_agents() -> None:
    found = with_logins({"codex": ["My-Codex[bot]"], "jules": ["google-labs-jules[bot]"]})
    assert [each.system for each in found] == ["copilot", "claude", "codex", "jules"]
    assert of_login("my-codex[bot]", found) == found[2]
    assert first_of(["google-labs-jules[bot]", "Copilot[bot]"], found) == found[0]
    assert first_of(["octocat"], found) is None
