"""Deciding gates: by comments, ticks and calls, over the simulated GitHub."""

import asyncio
from typing import Any

import pytest

from bot.errors import Refused
from bot.identity import actors
from bot.identity.actors import Actor
from fixtures.github import Issue, Person
from tests.comments.test_card_boxes import card_of, verbs
from tests.inbox.test_commands import reactions, said_by_hubbub
from tests.outbox.test_copied_marks import other_app
from tests.support.engines import ON_SQLITE
from tests.support.gates import make_gate
from tests.support.story import Agent, Workspace
from tests.support.workflows import define, start

REVIEW = {"by": "agents", "capability": "review", "quorum": 2}


def somebody(workspace: Workspace, login: str, permission: str) -> Person:
    return workspace.github.person(login, permissions={"acme/rocket": permission})


async def task_of(workspace: Workspace, issue: Issue) -> tuple[str, bool]:
    (row,) = await workspace.rows(
        "SELECT state, held FROM tasks WHERE installation_id = :i AND number = :n", n=issue.number
    )
    return row["state"], bool(row["held"])


async def attention(workspace: Workspace) -> list[tuple[str, str]]:
    octocat = Agent(workspace.dispatcher, octocat_of(workspace))
    found = await octocat.call("list_attention")
    return [(each["kind"], each["title"]) for each in found["items"]]


def octocat_of(workspace: Workspace) -> Actor:
    found = actors.person(workspace.installation.id, "octocat", "admin", workspace.repository.id)
    assert found is not None
    return found


async def test_a_maintainer_passes_a_gate_by_a_comment(workspace: Workspace) -> None:
    issue = await make_gate(workspace, "maintainers")
    card = card_of(issue).body
    assert "**Hubbub** · `waits for the approval of a maintainer`\n" in card
    assert "**A gate:** `waits for the approval of a maintainer`." in card
    assert "`/approve` passes it, `/reject` stops it" in card
    assert verbs(issue) == ["/approve", "/reject"]
    title = f"{workspace.name(issue)} “Approve it” waits for the approval of a maintainer."
    assert await attention(workspace) == [("gate", title)]
    comment = workspace.person.comment(issue, "/approve It is well thought out")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    assert await task_of(workspace, issue) == ("completed", False)
    assert (issue.state, issue.state_reason) == ("closed", "completed")
    assert await attention(workspace) == []
    assert "`It is well thought out`" in card_of(issue).body


async def test_a_tick_on_the_card_votes(workspace: Workspace) -> None:
    issue = await make_gate(workspace, ["mona"])
    mona = somebody(workspace, "Mona", "write")
    card = card_of(issue)
    mona.tick(card, "`/approve` pass the gate")
    await workspace.settle()
    assert await task_of(workspace, issue) == ("completed", False)


@pytest.mark.parametrize(
    ("approve", "login", "permission", "why"),
    [
        ("maintainers", "mona", "write", "it needs the permission maintain or a higher one"),
        ("writers", "mona", "triage", "it needs the permission write or a higher one"),
        (["hubot"], "mona", "admin", "the step does not name you"),
    ],
)
async def test_the_wrong_person_changes_nothing(
    workspace: Workspace, approve: Any, login: str, permission: str, why: str
) -> None:
    issue = await make_gate(workspace, approve)
    for verb in ("/approve", "/reject"):
        comment = somebody(workspace, login, permission).comment(issue, verb)
        await workspace.settle()
        assert reactions(comment) == ["confused"]
        assert why in issue.comments[-1].body
    assert await task_of(workspace, issue) == ("pending", True)
    assert await workspace.rows("SELECT * FROM gate_votes WHERE installation_id = :i") == []


async def test_a_person_whom_the_step_names_needs_no_permission_to_write(
    workspace: Workspace,
) -> None:
    issue = await make_gate(workspace, ["mona"])
    somebody(workspace, "mona", "read").comment(issue, "/approve")
    await workspace.settle()
    assert await task_of(workspace, issue) == ("completed", False)


async def test_a_rejection_fails_the_task_with_the_note(workspace: Workspace) -> None:
    issue = await make_gate(workspace, {"by": "maintainers", "quorum": 2})
    workspace.person.comment(issue, "/approve")
    await workspace.settle()
    assert said_by_hubbub(issue.comments[-1]).endswith("Your vote counts: 1 of 2 approvals.")
    somebody(workspace, "mona", "maintain").comment(issue, "/reject The names are unclear")
    await workspace.settle()
    assert await task_of(workspace, issue) == ("failed", False)
    assert issue.state == "open"
    (row,) = await workspace.rows(
        "SELECT decision FROM tasks WHERE installation_id = :i AND number = :n", n=issue.number
    )
    assert "The names are unclear" in row["decision"]


async def test_a_vote_can_be_changed_until_the_decision(workspace: Workspace) -> None:
    issue = await make_gate(workspace, REVIEW)
    ada = await workspace.agent("ada", "tester", "review")
    bob = await workspace.agent("bob", "tester", "review")
    first = await ada.call("approve_task", task=workspace.name(issue), approve=False)
    assert (first["approvals"], first["needed"]) == (0, 2)
    again = await ada.call("approve_task", task=workspace.name(issue))
    assert (again["approvals"], "decision" in again) == (1, False)
    last = await bob.call("approve_task", task=workspace.name(issue), note="Good.")
    assert (last["approvals"], last["decision"]) == (2, "approved")
    assert await task_of(workspace, issue) == ("completed", False)
    late = await ada.refusal("approve_task", task=workspace.name(issue), approve=False)
    assert late.code == "nothing_to_approve"


async def test_agents_with_the_capability_are_asked_but_not_the_maker(
    workspace: Workspace,
) -> None:
    maker = await workspace.agent("maker", "developer", "review")
    ada = await workspace.agent("ada", "tester", "review")
    other = await workspace.agent("other", "tester", "rust")
    build = await workspace.task("Build it")
    held = await maker.call("claim_task", task=workspace.name(build))
    given = {"task": workspace.name(build), "fence": held["fence"]}
    await maker.call("update_task_status", **given, status="completed")
    issue = await make_gate(workspace, REVIEW, after=build)
    name = workspace.name(issue)
    notices = (await ada.call("get_budget"))["notices"]
    assert [each["subject"] for each in notices if each["kind"] == "vote_asked"] == [name]
    assert (await maker.refusal("approve_task", task=name)).code == "own_work"
    refused = await other.refusal("approve_task", task=name)
    assert (refused.code, "you have not registered review" in refused.message) == (
        "forbidden",
        True,
    )
    await ada.call("approve_task", task=name)
    # A person's word decides a gate of agents too.
    somebody(workspace, "mona", "write").comment(issue, "/approve")
    await workspace.settle()
    assert await task_of(workspace, issue) == ("completed", False)


async def test_no_agent_passes_a_gate_of_people_in_any_way(workspace: Workspace) -> None:
    waits = await workspace.task("Release it")
    issue = await make_gate(workspace, "maintainers")
    workspace.person.block(waits, issue)
    await workspace.settle()
    lead = await workspace.agent("lead", "tech-lead", "review")
    name = workspace.name(issue)
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("approve_task", {"task": name}),
        ("change_task", {"task": name, "hold": False}),
        ("change_task", {"task": name, "state": "completed"}),
        ("change_task", {"task": name, "state": "cancelled"}),
        ("change_task", {"task": workspace.name(waits), "unblocked_by": name}),
        ("change_task", {"task": name, "blocked_by": workspace.name(waits)}),
        ("github_update_issue", {"issue": name, "state": "completed"}),
        ("github_update_issue", {"issue": name, "blocked_by": [workspace.name(waits)]}),
        ("github_update_issue", {"issue": workspace.name(waits), "blocked_by": []}),
        ("claim_task", {"task": name}),
    ]
    for operation, given in attempts:
        refused = await lead.refusal(operation, **given)
        assert refused.code in ("awaits_approval", "forbidden", "not_claimable", "on_hold"), given
    await workspace.settle()
    assert await task_of(workspace, issue) == ("pending", True)
    assert (issue.state, waits.blocked_by) == ("open", [issue])


@pytest.mark.parametrize("verb", ["/resume", "/done", "/cancel", "/hold", "/claim"])
async def test_other_commands_do_not_pass_a_gate_by_accident(
    workspace: Workspace, verb: str
) -> None:
    issue = await make_gate(workspace, "maintainers")
    workspace.person.comment(issue, verb)
    await workspace.settle()
    assert await task_of(workspace, issue) == ("pending", True)
    assert issue.state == "open"
    if verb != "/claim":
        assert "Comment `/approve` or `/reject` if you may decide it" in issue.comments[-1].body


@pytest.mark.parametrize("reason", ["completed", "not_planned"])
async def test_a_gate_whose_issue_is_closed_by_hand_has_failed(
    workspace: Workspace, reason: str
) -> None:
    issue = await make_gate(workspace, "maintainers")
    somebody(workspace, "mona", "triage").close(issue, reason)
    await workspace.settle()
    assert await task_of(workspace, issue) == ("failed", False)


async def test_a_gate_cannot_be_decided_before_its_needs_have_ended(workspace: Workspace) -> None:
    build = await workspace.task("Build it")
    issue = await make_gate(workspace, "writers", after=build, is_open=False)
    workspace.person.comment(issue, "/approve")
    await workspace.settle()
    assert "cannot be decided yet" in issue.comments[-1].body
    assert await task_of(workspace, issue) == ("pending", True)
    assert await attention(workspace) == []


async def test_an_old_command_does_not_decide_a_gate_that_opened_later(
    workspace: Workspace,
) -> None:
    issue = await workspace.task("Nothing")
    agent = await workspace.agent("ada")
    refused = await agent.refusal("approve_task", task=workspace.name(issue))
    assert refused.code == "nothing_to_approve"
    assert "it is no open gate, and no plan is proposed" in refused.message


async def test_two_votes_at_once_decide_once(workspace: Workspace) -> None:
    issue = await make_gate(workspace, REVIEW)
    voters = [await workspace.agent(each, "tester", "review") for each in ("ada", "bob", "cid")]

    async def vote(agent: Agent) -> str:
        try:
            answer = await agent.call("approve_task", task=workspace.name(issue))
        except Refused as exc:
            return exc.code
        return str(answer.get("decision") or "counted")

    found = await asyncio.gather(*map(vote, voters))
    assert sorted(found) == ["approved", "counted", "nothing_to_approve"]
    rows = await workspace.rows(
        "SELECT kind FROM events WHERE installation_id = :i AND kind IN "
        "('task.voted', 'task.completed') ORDER BY seq"
    )
    assert [each["kind"] for each in rows] == ["task.voted", "task.voted", "task.completed"]


@ON_SQLITE
async def test_commands_of_apps_do_not_count(workspace: Workspace) -> None:
    issue = await make_gate(workspace, "writers")
    app = other_app(workspace)
    app.comment(issue, "/approve")
    await workspace.settle()
    assert await task_of(workspace, issue) == ("pending", True)


GATED = """
steps:
  - id: build
    title: Build it
    body: Build it.
  - id: approve
    title: Approve it
    approve: maintainers
    needs: [build]
  - id: release
    title: Release it
    body: Tag it.
    needs: [approve]
"""


async def test_a_workflow_waits_at_its_gate_asks_again_after_a_rejection_and_goes_on(
    workspace: Workspace,
) -> None:
    await define(workspace, GATED, "gated")
    ada = await workspace.agent("ada")
    await ada.call("start_workflow", name="gated", repository="acme/rocket")
    await workspace.settle()
    found = {each.title: each for each in workspace.repository.issues.values()}
    gate, release = found["Approve it"], found["Release it"]
    assert await attention(workspace) == []
    mine = {"task": workspace.name(found["Build it"])}
    mine["fence"] = (await ada.call("claim_task", **mine))["fence"]
    await ada.call("update_task_status", **mine, status="completed")
    await workspace.settle()
    assert [kind for kind, _ in await attention(workspace)] == ["gate"]
    assert verbs(gate) == ["/approve", "/reject"]
    assert "Blocked by" not in card_of(gate).body
    workspace.person.comment(gate, "/reject Not yet")
    await workspace.settle()
    assert await task_of(workspace, gate) == ("failed", False)
    workspace.person.comment(gate, "/retry")
    await workspace.settle()
    assert await task_of(workspace, gate) == ("pending", True)
    refused = await ada.refusal("claim_task", task=workspace.name(release))
    assert refused.code == "awaits_approval"
    workspace.person.comment(gate, "/approve")
    await workspace.settle()
    assert (await task_of(workspace, gate))[0] == "completed"
    claimed = await ada.call("claim_task", task=workspace.name(release))
    assert claimed["task"]["state"] == "in_progress"


TWO = GATED.replace("approve: maintainers", "approve: {by: maintainers, quorum: 2}")


async def test_a_vote_about_work_that_is_done_again_does_not_count(workspace: Workspace) -> None:
    flow = await start(workspace, TWO)
    ada, lead = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    await flow.do(ada, "build")
    gate, mona = await flow.issue("approve"), somebody(workspace, "mona", "maintain")
    workspace.person.comment(gate, "/approve")
    await workspace.settle()
    workspace.person.reopen(await flow.issue("build"))
    await workspace.settle()
    assert (await flow.states())["approve"] == "waiting"
    assert await attention(workspace) == []
    comment = mona.comment(gate, "/approve")
    await workspace.settle()
    assert (reactions(comment), await flow.states()) == (
        ["confused"],
        {"build": "open", "approve": "waiting", "release": "waiting"},
    )
    await flow.do(ada, "build")
    mona.comment(gate, "/approve")
    await workspace.settle()
    assert said_by_hubbub(gate.comments[-1]).endswith("Your vote counts: 1 of 2 approvals.")
    await lead.call("retry_workflow", workflow=flow.id, step="build")
    await workspace.settle()
    await flow.do(ada, "build")
    workspace.person.comment(gate, "/approve")
    await workspace.settle()
    assert (await flow.states())["approve"] == "open"
    mona.comment(gate, "/approve")
    await workspace.settle()
    assert (await flow.states())["approve"] == "completed"


BEHIND = """
steps:
  - id: ok
    title: Approve it
    approve: [octocat]
  - id: build
    title: Build it
    body: Build it.
    needs: [ok]
  - id: send
    title: Send it
    body: Send it.
    needs: [build]
"""


async def test_no_role_begins_a_step_before_the_gate_that_it_needs(workspace: Workspace) -> None:
    await define(workspace, BEHIND, "gated")
    lead = await workspace.agent("lead", "tech-lead")
    await workspace.agent("ada")
    await lead.call("start_workflow", name="gated", repository="acme/rocket")
    await workspace.settle()
    found = {each.title: each for each in workspace.repository.issues.values()}
    gate, build, send = found["Approve it"], found["Build it"], found["Send it"]
    octocat = Agent(workspace.dispatcher, octocat_of(workspace))
    for who in (lead, octocat):
        for issue in (build, send):
            name = workspace.name(issue)
            attempts: list[tuple[str, dict[str, Any]]] = [
                ("claim_task", {"task": name}),
                ("assign_task", {"task": name, "agent_id": "ada"}),
                ("change_task", {"task": name, "state": "completed"}),
                ("github_update_issue", {"issue": name, "state": "completed"}),
            ]
            for operation, given in attempts:
                refused = await who.refusal(operation, **given)
                assert refused.code == "awaits_approval", (operation, refused.message)
                assert workspace.name(gate) in refused.message
                assert "the approval of @octocat" in refused.message
            explained = await who.call("explain_task", task=name)
            assert not explained["claimable"]
            assert "anyway" not in explained["text"]
    lead_only: list[tuple[str, dict[str, Any]]] = [
        ("change_task", {"task": workspace.name(build), "state": "cancelled"}),
        ("change_task", {"task": workspace.name(send), "unblocked_by": workspace.name(build)}),
        ("github_update_issue", {"issue": workspace.name(build), "state": "not_planned"}),
    ]
    for operation, given in lead_only:
        assert (await lead.refusal(operation, **given)).code == "awaits_approval", given
    told = await octocat.refusal("claim_task", task=workspace.name(send))
    assert f"comment `/approve` or `/reject` on {workspace.name(gate)}" in told.message
    waits = await lead.refusal("claim_task", task=workspace.name(send))
    assert f"wait until @octocat approved {workspace.name(gate)}" in waits.message
    itself = await lead.refusal("claim_task", task=workspace.name(gate))
    assert itself.code == "awaits_approval"
    assert "end the hold" not in itself.message
    workspace.person.comment(gate, "/approve")
    await workspace.settle()
    claimed = await lead.call("claim_task", task=workspace.name(build))
    assert claimed["task"]["state"] == "in_progress"


async def test_a_rejected_gate_keeps_the_steps_that_need_it(workspace: Workspace) -> None:
    await define(workspace, BEHIND, "gated")
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("start_workflow", name="gated", repository="acme/rocket")
    await workspace.settle()
    found = {each.title: each for each in workspace.repository.issues.values()}
    workspace.person.comment(found["Approve it"], "/reject")
    await workspace.settle()
    name = workspace.name(found["Send it"])
    refused = await lead.refusal("claim_task", task=name)
    assert refused.code == "awaits_approval"
    assert "ask a person to retry acme/rocket#2" in refused.message
