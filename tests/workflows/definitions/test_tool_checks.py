"""Hubbub's check says which tools of a workflow file could not be called."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.pulls.test_checks import checks, shown
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace
from tests.support.tool_desk import ToolDesk, spec
from tests.support.upstreams import remove_mounts_of
from tests.workflows.definitions.test_file_checks import propose
from tests.workflows.definitions.test_workflow_files import FEATURE

TEXT = """
inputs: {city: {}}
steps:
  - id: ask
    title: Ask
    tool: weather__forecast
    arguments: {title: "${{ inputs.city }}", count: 3}
  - id: tell
    title: Tell
    needs: [ask]
    tool: weather__look
    arguments:
      title: "${{ steps.ask.outputs.result }}"
"""


@pytest.fixture
async def desk(workspace: Workspace) -> AsyncIterator[ToolDesk]:
    made = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    await made.mount("weather", spec("forecast"), spec("look"))
    yield made
    await remove_mounts_of(workspace.store, workspace.installation.id)


async def notes(workspace: Workspace, text: str, head: str) -> list[tuple[int, str, str]]:
    """Line, level and text of each note on a pull request that changes the file so."""
    pull = await propose(workspace, {FEATURE: text}, head)
    (check,) = checks(workspace, pull.head_sha)
    found: list[dict[str, Any]] = check.output.get("annotations", [])
    keys = ("start_line", "annotation_level", "message")
    return [(each[keys[0]], each[keys[1]], each[keys[2]]) for each in found]


async def test_a_tool_that_is_not_there_is_a_warning_until_it_is(
    workspace: Workspace, desk: ToolDesk
) -> None:
    pull = await propose(workspace, {FEATURE: TEXT.replace("__look", "__tell")})
    title = "feature.yml calls tools that cannot be called so now"
    assert shown(workspace, pull) == ("neutral", title)
    (check,) = checks(workspace, pull.head_sha)
    text = (
        "steps.tell.tool: weather has no tool 'weather__tell' (did you mean weather__look?). "
        "find_tools lists its tools."
    )
    assert f"  - `line 11: {text}`\n\nA server may be mounted" in check.output["summary"]
    assert [each["message"] for each in check.output["annotations"]] == [text]
    await desk.relist("weather", spec("forecast"), spec("look"), spec("tell"))
    change = (await desk.tool("weather", "tell"))["hash"]
    accept = {"tool": "weather__tell", "action": "accept", "hash": change}
    await desk.person().call("manage_tool", **accept)
    workspace.github.ci.rerequest_check(check)
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "The workflow files are valid")


@ON_SQLITE
async def test_arguments_are_checked_as_far_as_the_file_has_them(
    workspace: Workspace, desk: ToolDesk
) -> None:
    assert await notes(workspace, TEXT, "right") == []
    wrong = TEXT.replace("count: 3", "count: many, cuont: '${{ inputs.city }}'")
    assert await notes(workspace, wrong, "wrong") == [
        (
            7,
            "warning",
            "steps.ask.arguments: weather__forecast: `count` must be a whole number, and is a text",
        ),
        (
            7,
            "warning",
            (
                "steps.ask.arguments: weather__forecast: `cuont` is not an argument of the tool "
                "(did you mean count?)"
            ),
        ),
    ]
    missing = TEXT.replace('title: "${{ steps.ask', 'count: "${{ steps.ask')
    assert await notes(workspace, missing, "missing") == [
        (12, "warning", "steps.tell.arguments: weather__look: `title` is missing")
    ]
    await desk.person().call("manage_tool", tool="weather__look", action="park")
    ((line, _, text),) = await notes(workspace, f"{TEXT}\n", "parked")
    assert (line, text.partition(":")[0]) == (11, "steps.tell.tool")
    assert text.startswith("steps.tell.tool: weather__look is parked: people do not want it")
    found = await (await workspace.agent("ada")).call("check_workflow", text=wrong)
    assert len(found["tool_problems"]) == 3


@ON_SQLITE
async def test_strangers_learn_nothing_of_tools_and_a_repository_decides_what_it_means(
    workspace: Workspace, desk: ToolDesk
) -> None:
    assert await desk.tool("weather", "look")
    settings: dict[str, str | None] = {".github/hubbub.yml": "check: {workflow_tools: fail}"}
    workspace.person.push(workspace.repository, "main", settings)
    text = TEXT.replace("__look", "__tell")
    ((_, level, _),) = await notes(workspace, text, "mine")
    assert level == "failure"
    pull = workspace.repository.pulls[max(workspace.repository.pulls)]
    assert shown(workspace, pull)[0] == "failure"
    q = "UPDATE pull_requests SET author_association = 'NONE' WHERE installation_id = :i"
    await workspace.store.write(lambda tx: tx.run(q, i=workspace.installation.id))
    (check,) = checks(workspace, pull.head_sha)
    workspace.github.ci.rerequest_check(check)
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "The workflow files are valid")
