"""People edit a workflow file by operations, and save it as a pull request."""

from typing import Any

import pytest

from bot.identity.actors import Actor, person_with_roles
from tests.support.story import Agent, Workspace

NAME = {"repository": "acme/rocket", "name": "release"}
PATH = ".github/hubbub/workflows/release.yml"
TEXT = """\
# How we release.
steps:
  - id: build   # first
    title: Build it
    body: Make it work
"""
TITLE = {"do": "set_key", "step": "build", "key": "title", "value": "Build all"}


def person(workspace: Workspace, role: Any = "developer") -> Agent:
    i, r = workspace.installation.id, workspace.repository.id
    return Agent(workspace.dispatcher, person_with_roles(i, "mona", {r: role}, [r]))


async def opened(workspace: Workspace, me: Agent) -> dict[str, Any]:
    """The file, once it was read from GitHub."""
    for _ in range(5):
        found = await me.call("get_workflow_file", **NAME)
        if not found["pending"]:
            return found
        await workspace.settle()
    raise AssertionError(found["pending"])


async def test_an_edit_answers_with_the_text_its_problems_and_its_steps(
    workspace: Workspace,
) -> None:
    me = person(workspace, "observer")
    broken = {"do": "add_step", "step": {"id": "ship", "title": "Ship", "needs": ["bulid"]}}
    found = await me.call("edit_workflow", text=TEXT, edits=[TITLE, broken])
    assert found["text"] == TEXT.replace("Build it", "Build all") + (
        "  - id: ship\n    title: Ship\n    needs: [bulid]\n"
    )
    assert [(each["line"], each["step"]) for each in found["problems"]] == [(6, 1), (8, 1)]
    assert [(each["id"], each["kind"], each["needs"]) for each in found["steps"]] == [
        ("build", "step", []),
        ("ship", "step", ["bulid"]),
    ]


async def test_a_text_that_is_no_yaml_has_its_problem_and_no_steps(workspace: Workspace) -> None:
    me = person(workspace)
    found = await me.call("edit_workflow", text="steps: [\n")
    assert (found["readable"], found["steps"]) == (False, [])
    assert found["problems"][0]["line"] == 2
    refused = await me.refusal("edit_workflow", text="steps: [\n", edits=[TITLE])
    assert "cannot be edited before it can be read: line 2" in refused.message


@pytest.mark.parametrize("edit", [{}, {"do": "fly"}, {"do": "set_key"}, {"do": "set_top", "x": 1}])
async def test_an_edit_with_wrong_fields_is_refused(workspace: Workspace, edit: Any) -> None:
    refused = await person(workspace).refusal("edit_workflow", text=TEXT, edits=[edit])
    assert (refused.code, refused.message[:10]) == ("invalid_arguments", "`edits`: 0")


async def test_a_file_is_saved_as_a_pull_request(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: TEXT})
    await workspace.settle()
    me = person(workspace)
    file = await opened(workspace, me)
    assert (file["text"], file["path"]) == (TEXT, PATH)
    new = (await me.call("edit_workflow", text=file["text"], edits=[TITLE]))["text"]
    where = {"base": file["sha"], "commit": file["commit"]}
    saved = await me.call("save_workflow", **NAME, text=new, **where, body="Better.")
    assert saved["branch"] == "hubbub/workflow-release"
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    assert (pull.title, pull.head) == ("Change the workflow release", saved["branch"])
    head = workspace.repository.branches[saved["branch"]]
    assert workspace.repository.commits[head].files[PATH] == new
    # Another one gets another branch.
    again = await me.call("save_workflow", **NAME, text=f"{new}# more\n", **where)
    assert again["branch"] == "hubbub/workflow-release-2"


async def test_a_file_that_was_changed_meanwhile_is_not_overwritten(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: TEXT})
    await workspace.settle()
    me = person(workspace)
    file = await opened(workspace, me)
    workspace.person.push(workspace.repository, "main", {PATH: f"{TEXT}# theirs\n"})
    await workspace.settle()
    theirs = await opened(workspace, me)
    refused = await me.refusal("save_workflow", **NAME, text=f"{TEXT}# mine\n", base=file["sha"])
    assert (refused.code, refused.details) == ("file_changed", {"sha": theirs["sha"]})
    assert "was changed on the default branch since you opened it" in refused.message
    refused = await me.refusal("save_workflow", **NAME, text=f"{TEXT}# mine\n")
    assert "exists already" in refused.message
    refused = await me.refusal("save_workflow", **NAME, text=theirs["text"], base=theirs["sha"])
    assert refused.message.startswith("Nothing to save")
    assert await workspace.rows("SELECT id FROM writes WHERE installation_id = :i") == []


async def test_a_file_keeps_the_line_breaks_of_windows(workspace: Workspace) -> None:
    windows = TEXT.replace("\n", "\r\n")
    workspace.person.push(workspace.repository, "main", {PATH: windows})
    await workspace.settle()
    me = person(workspace)
    file = await opened(workspace, me)
    assert file["text"] == windows
    sent = {"text": f"{TEXT}# more\n", "base": file["sha"], "commit": file["commit"]}
    saved = await me.call("save_workflow", **NAME, **sent)
    await workspace.settle()
    head = workspace.repository.branches[saved["branch"]]
    assert workspace.repository.commits[head].files[PATH] == f"{windows}# more\r\n"


async def test_a_file_with_problems_is_not_saved(workspace: Workspace) -> None:
    refused = await person(workspace).refusal("save_workflow", **NAME, text="steps: []\n")
    assert f"{PATH} has problems, so it was not saved: line 1" in refused.message


async def test_only_people_who_may_write_save_and_agents_never_do(workspace: Workspace) -> None:
    reader = person(workspace, "observer")
    refused = await reader.refusal("save_workflow", **NAME, text=TEXT)
    assert refused.code == "forbidden"
    agent = Agent(workspace.dispatcher, Actor(workspace.installation.id, "ada", "tech-lead"))
    for name in ("save_workflow", "edit_workflow", "get_workflow_file"):
        assert (await agent.refusal(name, **NAME, text=TEXT)).code in (
            "forbidden",
            "invalid_arguments",
        )
