"""Data between the steps of a workflow: its context."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.identity.actors import Actor
from tests.support.story import Agent, Workspace
from tests.support.workflows import Played, start

OUTPUTS = """
inputs:
  feature: {required: true}
steps:
  - {id: design, title: "Design ${{ inputs.feature }}", body: Think., outputs: [api, port]}
  - {id: build, title: Build it, body: Work., needs: [design]}
"""
API = {"api": "GET /users", "port": 8080}


async def designed(workspace: Workspace) -> tuple[Played, Agent]:
    flow = await start(workspace, OUTPUTS, feature="users")
    ada = await workspace.agent("ada")
    await flow.do(ada, "design", outputs=API)
    (done,) = (await ada.call("gather_results", tasks=[await flow.name("design")]))["done"]
    assert done["outputs"] == API
    return flow, ada


async def content(agent: Agent, flow: Played) -> Any:
    row = await flow.workflow()
    return (await agent.call("get_context", context_id=row["context_id"]))["content"]


async def test_a_step_is_completed_with_its_outputs_which_the_next_one_gets(
    workspace: Workspace,
) -> None:
    flow, _ = await designed(workspace)
    bob = await workspace.agent("bob")
    claimed = await flow.claim(bob, "build")
    row = await flow.workflow()
    block = {
        "workflow": flow.id,
        "step": "build",
        "inputs": {"feature": "users"},
        "needs": {"design": API},
        "context": row["context_id"],
    }
    assert claimed["step"] == block
    shown = await bob.call("get_task", task=await flow.name("build"))
    assert shown["step"] == block
    assert await content(bob, flow) == {
        "inputs": {"feature": "users"},
        "outputs": {"design": API},
    }


async def test_a_step_says_the_outputs_that_it_must_give(workspace: Workspace) -> None:
    flow = await start(workspace, OUTPUTS, feature="users")
    ada = await workspace.agent("ada")
    claimed = await flow.claim(ada, "design")
    assert claimed["step"]["gives"] == ["api", "port"]
    with pytest.raises(Refused, match="of which api, port are missing"):
        await flow.report(ada, "design", "completed")
    with pytest.raises(
        Refused, match=r'port is missing\. Pass all in one call: `outputs` \{"api": …, "port": …\}'
    ):
        await flow.report(ada, "design", "completed", outputs={"api": "x"})
    with pytest.raises(Refused, match="has no output color"):
        await flow.report(ada, "design", "completed", outputs={**API, "color": "red"})
    with pytest.raises(Refused, match="the limit is 20000"):
        await flow.report(ada, "design", "completed", outputs={**API, "api": "x" * 20_000})
    with pytest.raises(Refused, match="only with `status` completed"):
        await flow.report(ada, "design", "failed", outputs=API)
    assert (await flow.task("design"))["state"] == "in_progress"


async def test_a_task_of_no_workflow_has_no_outputs(workspace: Workspace) -> None:
    issue, ada = await workspace.task(), await workspace.agent("ada")
    claimed = await ada.call("claim_task", task=workspace.name(issue))
    assert "step" not in claimed
    with pytest.raises(Refused, match="is no step of a workflow"):
        await ada.call(
            "update_task_status",
            task=workspace.name(issue),
            status="completed",
            fence=1,
            outputs={"a": 1},
        )


async def test_only_holders_of_the_workflows_tasks_read_its_context(workspace: Workspace) -> None:
    flow, ada = await designed(workspace)
    with pytest.raises(Refused, match="There is no context"):
        await content(ada, flow)
    await flow.claim(ada, "build")
    assert (await content(ada, flow))["outputs"] == {"design": API}
    row = await flow.workflow()
    with pytest.raises(Refused, match="You may read"):
        await ada.call(
            "update_context", context_id=row["context_id"], content={}, expected_version=2
        )


async def test_a_step_keeps_the_version_with_which_it_began(workspace: Workspace) -> None:
    flow, _ = await designed(workspace)
    assert [(await flow.step(key))["context_version"] for key in ("design", "build")] == [1, 2]


async def test_a_damaged_context_is_said_and_its_last_readable_version_is_used(
    workspace: Workspace,
) -> None:
    flow, ada = await designed(workspace)
    row = await flow.workflow()

    async def damage(tx: Any) -> None:
        await tx.run(
            "UPDATE context_versions SET checksum = 'wrong' WHERE installation_id = :i "
            "AND context_id = :c AND version = 2",
            i=workspace.installation.id,
            c=row["context_id"],
        )

    await workspace.store.write(damage)
    claimed = await flow.claim(ada, "build")
    assert claimed["step"]["needs"] == {}
    assert claimed["step"]["problem"] == (
        "version 2 of the workflow's context is damaged; this is version 1"
    )
    lead = Agent(
        workspace.dispatcher,
        Actor(
            workspace.installation.id,
            "@ada",
            "tech-lead",
            roles={workspace.repository.id: "tech-lead"},
        ),
    )
    listed = await lead.call("list_attention")
    (item,) = [each for each in listed["items"] if each["kind"] == "context_damaged"]
    assert item["title"].startswith("The context of the workflow feature on acme/rocket#")


GATED = """
steps:
  - {id: design, title: Design it, body: Think., outputs: [api, port]}
  - {id: approve, title: Approve it, approve: writers, needs: [design]}
  - {id: build, title: Build it, body: Work., needs: [approve]}
"""


async def test_a_gate_between_two_steps_hides_no_outputs(workspace: Workspace) -> None:
    flow = await start(workspace, GATED)
    ada = await workspace.agent("ada")
    await flow.do(ada, "design", outputs=API)
    workspace.person.comment(await flow.issue("approve"), "/approve")
    await workspace.settle()
    claimed = await flow.claim(ada, "build")
    assert claimed["step"]["needs"] == {"design": API}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\udfff": 1}])
async def test_an_output_that_is_no_json_is_refused(workspace: Workspace, value: Any) -> None:
    flow = await start(workspace, OUTPUTS, feature="users")
    ada = await workspace.agent("ada")
    await flow.claim(ada, "design")
    with pytest.raises(Refused, match="outputs") as refused:
        await flow.report(ada, "design", "completed", outputs={"api": value, "port": 1})
    assert refused.value.code == "invalid_arguments"
    assert (await flow.states())["design"] == "open"
