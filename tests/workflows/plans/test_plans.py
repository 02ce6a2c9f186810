"""Plans that agents propose: approved, rejected, replaced, withdrawn and refused."""

from dataclasses import replace
from typing import Any

import pytest

from bot.operations.workflows import known_files
from fixtures.github import Issue, Person
from tests.comments.test_card_boxes import card_of, verbs
from tests.inbox.test_commands import reactions
from tests.support import agent_runs
from tests.support.story import Agent, Workspace
from tests.workflows.gates.test_gate_votes import attention, somebody

STEPS: list[dict[str, Any]] = [
    {"id": "api", "title": "Build the API", "body": "Build it."},
    {"id": "page", "title": "Build the page", "body": "Build it.", "needs": ["api"]},
]


async def held(workspace: Workspace, agent_id: str = "ada") -> tuple[Agent, Issue, dict[str, Any]]:
    """An agent, its task, and the arguments that name the task."""
    issue, agent = await workspace.task("Build a feature"), await workspace.agent(agent_id)
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await workspace.settle()
    return agent, issue, {"task": workspace.name(issue), "fence": fence}


async def settings(workspace: Workspace, text: str) -> None:
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": text})
    await workspace.settle()


async def proposals(workspace: Workspace) -> list[tuple[str, str | None]]:
    rows = await workspace.rows(
        "SELECT state, decided_by FROM plan_proposals WHERE installation_id = :i ORDER BY id"
    )
    return [(row["state"], row["decided_by"]) for row in rows]


def kinds(notices: list[dict[str, Any]]) -> list[str]:
    return [each["kind"] for each in notices]


async def test_a_person_approves_a_plan_and_its_steps_become_sub_issues(
    workspace: Workspace,
) -> None:
    ada, issue, mine = await held(workspace)
    found = await ada.call("propose_plan", **mine, steps=STEPS, strategy="by_layer", note="Small")
    assert (found["size"], found["state"]) == (2, "waiting")
    await workspace.settle()
    card = card_of(issue).body
    assert "**`ada` proposes a plan** of 2 tasks by the strategy `by_layer`." in card
    assert "| `page` | `Build the page` | `api` |" in card
    assert "n0 --> n1" in card
    assert verbs(issue)[:2] == ["/approve", "/reject"]
    title = f"ada proposes a plan of 2 tasks for {workspace.name(issue)} “Build a feature”."
    assert await attention(workspace) == [("plan", title)]
    # The lease waits with the plan.
    await workspace.time_passes(7 * 24 * 3600)
    comment = workspace.person.comment(issue, "/approve Good")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    made = [each for each in workspace.repository.issues.values() if each.parent is issue]
    assert [each.title for each in made] == ["Build the API", "Build the page"]
    assert made[1].blocked_by == [made[0]]
    answer = await ada.call("get_task", task=mine["task"])
    assert answer["task"]["holder"] == "ada"
    assert "plan_approved" in kinds(answer["notices"])
    assert await proposals(workspace) == [("approved", "@octocat")]
    assert await attention(workspace) == []
    # A second one can come only when the first has ended.
    again = await ada.refusal("propose_plan", **mine, steps=STEPS)
    assert again.code == "workflow_running"


async def test_a_rejected_plan_changes_nothing_and_its_agent_reads_why(
    workspace: Workspace,
) -> None:
    ada, issue, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    somebody(workspace, "mona", "write").comment(issue, "/reject One step is enough")
    await workspace.settle()
    answer = await ada.call("get_task", task=mine["task"])
    (told,) = [each for each in answer["notices"] if each["kind"] == "plan_rejected"]
    assert "One step is enough" in told["message"]
    assert len(workspace.repository.issues) == 1
    assert await proposals(workspace) == [("rejected", "@mona")]
    # The lease runs again.
    await workspace.time_passes(3600)
    assert (await ada.refusal("propose_plan", **mine, steps=STEPS)).code in (
        "not_holder",
        "stale_fence",
    )


async def test_a_new_plan_takes_the_place_of_the_old_one(workspace: Workspace) -> None:
    ada, issue, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    await ada.call("propose_plan", **mine, steps=STEPS[:1])
    await workspace.settle()
    assert "a plan** of one task" in card_of(issue).body
    workspace.person.comment(issue, "/approve")
    await workspace.settle()
    assert await proposals(workspace) == [("replaced", "ada"), ("approved", "@octocat")]
    assert len(workspace.repository.issues) == 2


@pytest.mark.parametrize("how", ["release", "takes"])
async def test_the_plan_of_a_holder_that_lost_its_task_is_withdrawn(
    workspace: Workspace, how: str
) -> None:
    ada, issue, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    if how == "release":
        await ada.call("release_task", **mine)
    else:
        workspace.person.comment(issue, "/release I do it")
    await workspace.settle()
    assert await proposals(workspace) == [("withdrawn", None)]
    comment = workspace.person.comment(issue, "/approve")
    await workspace.settle()
    assert reactions(comment) == ["confused"]
    assert "Its last plan was withdrawn." in issue.comments[-1].body
    assert len(workspace.repository.issues) == 1


async def test_who_may_not_write_does_not_decide(workspace: Workspace) -> None:
    ada, issue, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    lead = await workspace.agent("lead", "tech-lead")
    somebody(workspace, "mona", "triage").comment(issue, "/approve")
    await workspace.settle()
    assert "needs the permission write" in issue.comments[-1].body
    assert (await lead.refusal("approve_task", task=mine["task"])).code == "forbidden"
    assert (await ada.refusal("approve_task", task=mine["task"])).code == "own_work"
    assert await proposals(workspace) == [("waiting", None)]


async def test_a_lead_approves_where_the_settings_let_agents(workspace: Workspace) -> None:
    await settings(workspace, "plans: {agents_may_approve: true}\n")
    ada, _, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    lead = await workspace.agent("lead", "tech-lead")
    other = await workspace.agent("other", "developer")
    assert (await other.refusal("approve_task", task=mine["task"])).code == "forbidden"
    found = await lead.call("approve_task", task=mine["task"])
    assert found["workflow"].startswith("wf_")


async def test_a_small_plan_passes_by_the_settings(workspace: Workspace) -> None:
    await settings(workspace, "plans: {approve_above: 1}\n")
    ada, issue, mine = await held(workspace)
    assert (await ada.call("propose_plan", **mine, steps=STEPS))["state"] == "waiting"
    found = await ada.call("propose_plan", **mine, steps=STEPS[:1])
    assert found["state"] == "approved"
    await workspace.settle()
    (made,) = [each for each in workspace.repository.issues.values() if each.parent is issue]
    assert made.title == "Build the API"
    assert await proposals(workspace) == [("replaced", "ada"), ("approved", "ada")]


def step(step_id: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "title": "Do it", "body": "Do it.", **more}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [step("a", needs=["b"]), step("b", needs=["a"])],
            "step a: needs is a circle: a needs b, b needs a",
        ),
        ([step("a", needs=["zz"])], "step a: needs.0 names no step: zz; the steps are a"),
        ([step(f"s{n}") for n in range(101)], "must have at most 100 entries"),
        ([{"id": "a", "title": "Do it"}], "step a has no body; say what to do"),
        ([step("a", foo=1)], "step a: foo is unknown; a step has id, title, body?"),
        ([step("a", body="${{ inputs.x }}")], "step a: body ${{ inputs.x }} names no input"),
        ([step("a", each="xs")], "step a: each names no input"),
        ([step("a", agent="nobody")], "step `a`: no agent `nobody` has registered"),
        ([step("a", template="none")], "step `a`: there is no template `none`"),
        (
            [{"id": "a", "title": "A", "tool": "weather__forecast"}],
            "step a: tool is not for a plan; the agent that works on the step calls the tool",
        ),
        ([], "must not be empty"),
    ],
)
async def test_a_plan_that_is_wrong_names_its_step_and_changes_nothing(
    workspace: Workspace, steps: list[dict[str, Any]], words: str
) -> None:
    ada, _, mine = await held(workspace)
    refused = await ada.refusal("propose_plan", **mine, steps=steps)
    assert words in refused.message
    assert await proposals(workspace) == []


async def test_only_the_holder_proposes(workspace: Workspace) -> None:
    _, _, mine = await held(workspace)
    other = await workspace.agent("other")
    refused = await other.refusal("propose_plan", **mine, steps=STEPS)
    assert refused.code in ("not_holder", "stale_fence")


def person(workspace: Workspace, login: str) -> Person:
    return somebody(workspace, login, "write")


async def test_two_people_who_approve_at_once_make_the_tasks_once(workspace: Workspace) -> None:
    ada, issue, mine = await held(workspace)
    await ada.call("propose_plan", **mine, steps=STEPS)
    for login in ("mona", "hubot"):
        person(workspace, login).comment(issue, "/approve")
    await workspace.settle()
    assert len(workspace.repository.issues) == 3
    assert len(await proposals(workspace)) == 1


async def test_the_prompts_name_the_files_that_hubbub_has_read(workspace: Workspace) -> None:
    files = {"src/api/a.py": "a = 1\n", "tests/test_a.py": "\n", "README.md": "Read me\n"}
    workspace.person.push(workspace.repository, "main", files)
    ada, _, mine = await held(workspace)
    await ada.call("github_list_files", repository="acme/rocket")
    await workspace.settle()
    found = await workspace.store.read(
        lambda tx: known_files.paths(tx, ada.actor, str(mine["task"]))
    )
    assert "README.md" in found
    elsewhere = replace(ada.actor, repositories=frozenset({1}))
    nothing = await workspace.store.read(
        lambda tx: known_files.paths(tx, elsewhere, str(mine["task"]))
    )
    assert nothing == []


WITH_TEMPLATE = [{"id": "api", "title": "Build it", "body": "Build.", "template": "fixer"}]


async def test_a_plan_that_starts_agents_waits_for_an_approval_whatever_its_size(
    workspace: Workspace,
) -> None:
    await agent_runs.set_templates(workspace, f"{agent_runs.FIXER}plans:\n  approve_above: 5\n")
    ada, issue, mine = await held(workspace)
    found = await ada.call("propose_plan", **mine, steps=WITH_TEMPLATE)
    assert found["state"] == "waiting"
    workspace.person.comment(issue, "/approve")
    await workspace.settle()
    await workspace.time_passes(1)
    assert await agent_runs.stored_runs(workspace, "state") == [("dispatched",)]
