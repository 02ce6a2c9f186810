"""What an older version of Hubbub stored, and this one does not accept, stops no workflow."""

from typing import Any

import pytest

from bot.errors import Refused
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Policy
from store.engine import json_text
from store.engine.transaction import Tx
from tests.support.story import Workspace
from tests.support.workflows import begin, define

TEXT = """
policy: {prefer: [load], reserve: 2m}
steps:
  - {id: build, title: Build it, body: Work., retry: 1}
  - {id: agree, title: Agree, approve: writers, needs: [build]}
"""
BUILD = {"id": "build", "title": "Build", "body": "Work."}


async def store_again(workspace: Workspace, table: str, **changes: Any) -> None:
    """Change the definitions in a table, as if another version had stored them."""

    async def change(tx: Tx) -> None:
        here = workspace.installation.id
        own = f"SELECT DISTINCT definition FROM {table} WHERE installation_id = :i"
        q = f"UPDATE {table} SET definition = :new WHERE installation_id = :i AND definition = :old"
        for row in await tx.all(own, i=here):
            old = json_text.value(row["definition"])
            new = json_text.text({**old, **changes})
            await tx.run(q, i=here, new=new, old=row["definition"])

    await workspace.store.write(change)


async def test_a_definition_that_is_not_accepted_any_more_is_named_as_invalid(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("ada")
    await define(workspace, TEXT)
    await store_again(workspace, "workflow_definitions", parallel=0, colour="red")
    (found,) = (await agent.call("list_workflows", state="startable"))["definitions"]
    assert found["name"] == "feature"
    assert found["problem"].startswith("this version of Hubbub does not accept it: colour: is ")
    assert "parallel: must be" in found["problem"]
    with pytest.raises(Refused, match=r"feature\.yml cannot be started: this version") as refused:
        await agent.call(
            "start_workflow", name="feature", repository=workspace.repository.full_name
        )
    assert refused.value.code == "not_startable"


async def test_a_workflow_goes_on_although_its_definition_is_not_accepted_any_more(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("ada")
    flow = await begin(workspace, agent, TEXT)
    await store_again(workspace, "workflows", policy={"prefer": ["luck"]}, colour="red")
    await store_again(workspace, "workflow_steps", retry=99, timeout="soon", colour="red")
    await flow.do(agent, "build")
    assert (await flow.step("build"))["state"] == "completed"
    assert (await flow.step("agree"))["state"] == "open"
    assert "waits for the approval of somebody" in str(await flow.why_held("agree"))
    answer = await agent.call("get_workflow", workflow=flow.id)
    assert [each["state"] for each in answer["workflow"]["steps"]] == [
        "completed",
        "awaiting_approval",
    ]
    workspace.person.comment(await flow.issue("agree"), "/approve")
    await workspace.settle()
    assert (await flow.workflow())["state"] == "completed"


def test_keys_that_are_not_accepted_have_their_defaults() -> None:
    step = stored_values.step({**BUILD, "retry": 99, "if": "maybe", "outputs": ["api"]})
    assert (step.retry, step.condition, step.outputs) == (0, "success", ["api"])
    odd = stored_values.step({**BUILD, "id": "Build it", "title": ""})
    assert (odd.id, odd.title, odd.body) == ("Build it", "", "Work.")
    policy = stored_values.policy({"policy": {"prefer": ["luck"], "reserve": "5m"}})
    assert policy == Policy(reserve="5m")


@pytest.mark.parametrize("approve", [{"by": "everybody"}, {"by": "writers", "quorum": 0}, 3])
def test_maintainers_decide_about_a_gate_that_is_not_accepted_any_more(approve: Any) -> None:
    step = stored_values.step({**BUILD, "approve": approve})
    assert step.approve == stored_values.STRICTEST_GATE


def test_a_step_with_a_tool_that_is_not_accepted_any_more_keeps_it() -> None:
    step = stored_values.step({**BUILD, "tool": "No tool", "retry": 99})
    assert (step.tool, step.retry) == ("No tool", 0)
