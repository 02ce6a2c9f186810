"""Starting a workflow: the issues, their relations, the rows, and what is refused."""

from math import isfinite

import pytest

from bot.operations.workflows import input_words
from tests.support.story import Workspace
from tests.support.workflows import Played, define

R = "acme/rocket"


async def test_a_workflow_becomes_an_issue_with_its_steps_and_what_they_wait_for(
    workspace: Workspace,
) -> None:
    await define(workspace)
    ada = await workspace.agent("ada")
    made = await ada.call(
        "start_workflow", name="feature", repository=R, inputs={"feature": "login"}
    )
    assert [(each["step"], each.get("waits_for", [])) for each in made["steps"]] == [
        ("design", []),
        ("build-1", ["design"]),
        ("build-2", ["design"]),
        ("release", ["build-1", "build-2"]),
    ]
    await workspace.settle()
    found = {each.title: each for each in workspace.repository.issues.values()}
    assert list(found) == [
        "Build a feature: login",
        "Design login",
        "Build api",
        "Build page",
        "Release it",
    ]
    parent = found["Build a feature: login"]
    steps = [each for each in found.values() if each is not parent]
    assert {each.parent for each in steps} == {parent}
    assert found["Build api"].blocked_by == [found["Design login"]]
    assert set(found["Release it"].blocked_by) == {found["Build api"], found["Build page"]}
    assert "| `build-1` | Build api | `design` |" in (parent.body or "")
    shown = (await ada.call("get_workflow", workflow=made["id"]))["workflow"]
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 0, 4)
    assert shown["task"] == workspace.name(parent)
    assert [each["state"] for each in shown["steps"]] == ["ready", *3 * ["waiting"]]
    assert shown["steps"][3]["waits_for"] == ["build-1", "build-2"]
    claimed = await ada.call("claim_task")
    assert claimed["task"]["task"] == workspace.name(found["Design login"])
    assert await Played(workspace, made["id"], "").states() == {
        "design": "open",
        "build-1": "waiting",
        "build-2": "waiting",
        "release": "waiting",
    }
    events = await workspace.rows(
        "SELECT kind, subject FROM events WHERE installation_id = :i AND kind LIKE 'workflow.%' "
        "ORDER BY seq"
    )
    assert [(each["kind"], each["subject"]) for each in events] == [
        ("workflow.started", made["id"]),
        ("workflow.step_opened", made["id"]),
    ]


START = {"name": "feature", "repository": R, "inputs": {"feature": "login"}}


async def counts(workspace: Workspace) -> list[int]:
    """How many rows there are of what a start makes."""
    found = []
    for table in ("tasks", "writes", "workflows", "workflow_steps", "workflow_needs", "contexts"):
        q = f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i"
        found.append((await workspace.rows(q))[0]["n"])
    return found


async def test_a_call_that_is_repeated_with_its_key_starts_one_workflow(
    workspace: Workspace,
) -> None:
    await define(workspace)
    ada = await workspace.agent("ada")
    first = await ada.call("start_workflow", **START, key="once")
    again = await ada.call("start_workflow", **START, key="once")
    assert first["id"] == again["id"]
    assert (await counts(workspace))[2:5] == [1, 4, 4]


async def test_what_is_refused_changes_nothing_and_says_what_to_do(workspace: Workspace) -> None:
    await define(workspace)
    await define(workspace, MANY, "many")
    ada = await workspace.agent("ada")
    issue = await workspace.task()
    task = workspace.name(issue)
    await ada.call("start_workflow", name="feature", task=task, inputs={"feature": "x"})
    await workspace.settle()
    closed = await workspace.task("Closed")
    workspace.person.close(closed)
    await workspace.settle()
    before = await counts(workspace)
    for given, code, words in (
        ({"name": "featur", "repository": R}, "unknown_workflow", "Did you mean `feature`?"),
        ({"name": "feature", "repository": R}, "invalid_arguments", "feature is missing"),
        ({**START, "inputs": {"feature": "x", "y": 1}}, "invalid_arguments", "y is unknown"),
        ({**START, "inputs": {"feature": "x", "components": "a"}}, "invalid_arguments", "list"),
        ({"name": "feature"}, "invalid_arguments", "Pass `repository`"),
        ({**START, "repository": "acme/none"}, "unknown_repository", "acme/none"),
        ({**START, "task": task, "repository": None}, "workflow_running", "runs on"),
        ({**START, "task": workspace.name(closed)}, "not_startable", "completed"),
        ({"name": "many", "task": task}, "too_many", "GitHub allows 100 sub-issues"),
        ({"name": "many", "repository": R}, "too_many", "Ask a person to start many"),
    ):
        arguments = {name: each for name, each in given.items() if each is not None}
        refused = await ada.refusal("start_workflow", **arguments)
        assert (refused.code, words in refused.message) == (code, True), refused.message
    assert await counts(workspace) == before


MANY = """
inputs:
  parts: {type: list, default: [a]}
steps:
""" + "".join(
    f"  - {{id: s{n}, title: Do {n}, body: Do it, needs: [{f's{n - 1}' if n else ''}]}}\n"
    for n in range(98)
)


async def test_repositories_that_take_no_issues_and_broken_files(workspace: Workspace) -> None:
    await define(workspace)
    ada, person = await workspace.agent("ada"), workspace.person
    person.disable_issues(workspace.repository)
    person.push(workspace.repository, "main", {"a": "b"})
    await workspace.settle()
    refused = await ada.refusal("start_workflow", **START)
    assert refused.code == "not_startable"
    assert "has no issues: they are switched off" in refused.message
    person.enable_issues(workspace.repository)
    person.push(workspace.repository, "main", {"a": "c"})
    person.archive(workspace.repository)
    await workspace.settle()
    refused = await ada.refusal("start_workflow", **START)
    assert "is archived" in refused.message
    person.unarchive(workspace.repository)
    await define(workspace, problem="line 3: steps: is missing")
    await workspace.settle()
    made = await ada.call("start_workflow", **START)
    assert "the last valid one was started. line 3: steps: is missing" in made["hint"]


async def test_run_in_a_comment_makes_the_issue_the_parent(workspace: Workspace) -> None:
    await define(workspace)
    issue = workspace.person.open_issue(workspace.repository, "Sail faster")
    await workspace.settle()
    workspace.person.comment(issue, '/run feature feature="two words" "components=the api, hull"')
    await workspace.settle()
    said = " ".join(each.body for each in issue.comments)
    assert "Started `wf_" in said
    assert "Agents can begin with `design`." in said
    children = [each for each in workspace.repository.issues.values() if each.parent is issue]
    assert [each.title for each in children] == [
        "Design two words",
        "Build the api",
        "Build hull",
        "Release it",
    ]
    assert "agent-task" in {each.name for each in issue.labels}
    workspace.person.comment(issue, "/run feature feature")
    await workspace.settle()
    assert any("`feature` is no input of a workflow" in each.body for each in issue.comments)


async def test_a_workflow_is_found_by_its_parent_too(workspace: Workspace) -> None:
    await define(workspace)
    ada = await workspace.agent("ada")
    issue = await workspace.task()
    task = workspace.name(issue)
    made = await ada.call("start_workflow", name="feature", task=task, inputs={"feature": "x"})
    assert (await ada.call("get_workflow", workflow=task))["workflow"]["id"] == made["id"]
    other = await workspace.task()
    refused = await ada.refusal("get_workflow", workflow=workspace.name(other))
    assert refused.code == "unknown_workflow"


async def test_a_start_says_which_capability_no_agent_has(workspace: Workspace) -> None:
    await define(workspace, NEEDS_RUST)
    ada = await workspace.agent("ada", "developer", "python")
    made = await ada.call("start_workflow", name="feature", repository=R)
    assert made["hint"] == "No agent at work has registered `rust:2`, which step `port` needs."
    await workspace.agent("bob", "developer", "rust:3")
    made = await ada.call("start_workflow", name="feature", repository=R)
    assert "hint" not in made


NEEDS_RUST = """
steps:
  - {id: plan, title: Plan it, body: Think., capability: python}
  - {id: port, title: Port it, body: Work., capability: "rust:2", needs: [plan]}
"""


@pytest.mark.parametrize(
    "typed",
    [
        'feature="two words"',
        "feature='two words'",
        "feature=\u201ctwo words\u201d",
        "feature=\u2018two words\u2019",
        "feature=\u201etwo words\u201c",
        'feature=\u201dtwo words"',
    ],
)
def test_inputs_of_a_comment_may_have_the_quotation_marks_of_a_phone(typed: str) -> None:
    assert input_words.collect([*typed.split(), "x=don\u2019t"]) == {
        "feature": "two words",
        "x": "don\u2019t",
    }


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), 10**15])
async def test_a_number_beyond_all_measure_is_refused(workspace: Workspace, value: float) -> None:
    await define(
        workspace,
        "inputs:\n  n: {type: number}\nsteps:\n  - {id: make, title: Make it, body: Work.}\n",
    )
    ada = await workspace.agent("ada")
    refused = await ada.refusal("start_workflow", name="feature", repository=R, inputs={"n": value})
    is_json = not isinstance(value, float) or isfinite(value)
    assert refused.message == (
        "inputs: n must be a number."
        if is_json
        else "start_workflow: `inputs.n` must be a number that JSON has."
    )


async def test_run_alone_lists_the_workflows_of_the_repository(workspace: Workspace) -> None:
    await define(workspace)
    issue = await workspace.task()
    workspace.person.comment(issue, "/run")
    await workspace.settle()
    said = "\n".join(each.body for each in issue.comments)
    assert "Write `/run <workflow> [input=value …]`: start" in said
    assert "This repository has: `feature`." in said
