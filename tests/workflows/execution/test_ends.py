"""Workflows are cancelled and retried, by operations, by commands and by hand."""

import pytest

from bot.errors import Refused
from tests.support.story import Agent, Workspace
from tests.support.workflows import Played, define, start

UNDONE = """
steps:
  - {id: make, title: Make it, body: Work., on_failure: {compensate: unmake}}
  - {id: ship, title: Ship it, body: Work., needs: [make], on_failure: {compensate: recall}}
  - {id: tell, title: Tell people, body: Work., needs: [ship], on_failure: {compensate: untell}}
  - {id: unmake, title: Unmake it, body: Work.}
  - {id: recall, title: Recall it, body: Work.}
  - {id: untell, title: Take it back, body: Work.}
"""


async def half_done(workspace: Workspace) -> tuple[Played, Agent, Agent]:
    """`make` is completed, and Ada holds `ship`."""
    flow = await start(workspace, UNDONE)
    ada, lead = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    await flow.do(ada, "make")
    await flow.claim(ada, "ship")
    return flow, ada, lead


async def test_a_cancelled_workflow_ends_its_steps_and_undoes_what_was_begun(
    workspace: Workspace,
) -> None:
    flow, ada, lead = await half_done(workspace)
    answer = await lead.call("cancel_workflow", workflow=flow.id, note="wrong branch")
    assert (answer["state"], answer["undoing"]) == ("cancelled", ["unmake", "recall"])
    await workspace.settle()
    assert await flow.states() == {
        "make": "completed",
        "ship": "cancelled",
        "tell": "cancelled",
        "unmake": "waiting",
        "recall": "open",
        "untell": "cancelled",
    }
    row = await flow.workflow()
    assert (row["state"], row["why"]) == ("cancelled", "wrong branch")
    for key in ("parent", "ship", "tell", "untell"):
        issue = await flow.issue(key)
        assert (issue.state, issue.state_reason) == ("closed", "not_planned"), key
    with pytest.raises(Refused, match="You do not hold"):
        await flow.report(ada, "ship", "completed")
    notices = await workspace.rows(
        "SELECT kind, message FROM notices WHERE installation_id = :i AND agent_id = 'ada'"
    )
    assert any("wrong branch" in each["message"] for each in notices), notices
    await flow.do(ada, "recall")
    assert (await flow.states())["unmake"] == "open"
    await flow.do(ada, "unmake", "failed")
    assert (await flow.states())["unmake"] == "failed"
    assert await workspace.undocumented_events() == []


async def test_without_compensation_nothing_is_undone(workspace: Workspace) -> None:
    flow, _, lead = await half_done(workspace)
    answer = await lead.call("cancel_workflow", workflow=flow.id, compensate=False)
    assert "undoing" not in answer
    await workspace.settle()
    assert set((await flow.states()).values()) == {"completed", "cancelled"}


async def test_a_workflow_is_cancelled_once(workspace: Workspace) -> None:
    flow, _, lead = await half_done(workspace)
    await lead.call("cancel_workflow", workflow=flow.id)
    with pytest.raises(Refused, match="is cancelled already"):
        await lead.call("cancel_workflow", workflow=flow.id)
    with pytest.raises(Refused, match="There is no workflow 'wf_none'"):
        await lead.call("cancel_workflow", workflow="wf_none")


async def test_only_tech_leads_and_who_started_it_may_cancel(workspace: Workspace) -> None:
    flow, ada, _ = await half_done(workspace)
    with pytest.raises(Refused, match="@octocat started"):
        await ada.call("cancel_workflow", workflow=flow.id)
    with pytest.raises(Refused, match="@octocat started"):
        await ada.call("retry_workflow", workflow=flow.id)


async def test_cancel_without_words_names_the_closed_issue(workspace: Workspace) -> None:
    flow, _, _ = await half_done(workspace)
    workspace.person.comment(await flow.issue("parent"), "/cancel")
    await workspace.settle()
    assert (await flow.workflow())["why"] == "its issue was closed as not planned"


async def test_retry_takes_a_note(workspace: Workspace) -> None:
    flow, _, lead = await half_done(workspace)
    await lead.call("cancel_workflow", workflow=flow.id, compensate=False)
    await workspace.settle()
    workspace.person.comment(await flow.issue("parent"), "/retry the archive is back")
    await workspace.settle()
    assert (await flow.workflow())["state"] == "running"
    assert "the archive is back" in (await flow.task("ship"))["decision"]


async def test_cancel_on_the_parent_cancels_the_workflow(workspace: Workspace) -> None:
    flow, _, _ = await half_done(workspace)
    workspace.person.comment(await flow.issue("parent"), "/cancel too late")
    await workspace.settle()
    row = await flow.workflow()
    assert (row["state"], row["why"]) == ("cancelled", "too late")
    assert (await flow.states())["recall"] == "open"
    decision = (await flow.task("tell"))["decision"]
    assert decision == "cancelled by @octocat: its workflow feature ended: too late"


@pytest.mark.parametrize("reason", ["completed", "not_planned"])
async def test_a_parent_closed_by_hand_ends_the_workflow(workspace: Workspace, reason: str) -> None:
    flow, ada, _ = await half_done(workspace)
    workspace.person.close(await flow.issue("parent"), reason)
    await workspace.settle()
    row = await flow.workflow()
    if reason == "completed":
        assert row["state"] == "completed"
        states = await flow.states()
        assert (states["ship"], states["tell"], states["recall"]) == (
            "open",
            "cancelled",
            "cancelled",
        )
        await flow.report(ada, "ship", "completed")
        assert (await flow.states())["ship"] == "completed"
    else:
        assert row["state"] == "cancelled"
        assert (await flow.states())["ship"] == "cancelled"
    assert (await flow.task("tell"))["decision"].startswith("cancelled by @octocat: its workflow")


async def test_a_parent_that_is_reopened_does_not_begin_the_workflow_again(
    workspace: Workspace,
) -> None:
    flow, _, _ = await half_done(workspace)
    workspace.person.close(await flow.issue("parent"), "completed")
    await workspace.settle()
    workspace.person.reopen(await flow.issue("parent"))
    await workspace.settle()
    assert (await flow.workflow())["state"] == "completed"


async def test_a_step_closed_and_reopened_by_hand_is_followed(workspace: Workspace) -> None:
    flow = await start(workspace, UNDONE)
    workspace.person.close(await flow.issue("make"), "not_planned")
    await workspace.settle()
    states = await flow.states()
    assert (states["make"], states["ship"]) == ("cancelled", "open")
    workspace.person.reopen(await flow.issue("make"))
    await workspace.settle()
    states = await flow.states()
    assert (states["make"], states["ship"]) == ("open", "open")
    workspace.person.close(await flow.issue("make"), "completed")
    await workspace.settle()
    assert (await flow.states())["make"] == "completed"


FAILING = """
steps:
  - {id: plan, title: Plan it, body: Work., outputs: [idea]}
  - {id: build, title: Build it, body: Work., needs: [plan], outputs: [path]}
  - {id: mend, title: Mend it, body: Work., needs: [build], if: failure}
  - {id: ship, title: Ship it, body: Work., needs: [build]}
"""


async def failed(workspace: Workspace) -> tuple[Played, Agent, Agent]:
    """`build` failed, and `mend` was done after it."""
    flow = await start(workspace, FAILING)
    ada, lead = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    await flow.do(ada, "plan", outputs={"idea": "a pump"})
    await flow.do(ada, "build", "failed")
    await flow.do(ada, "mend")
    assert (await flow.workflow())["state"] == "failed"
    return flow, ada, lead


async def test_a_failed_workflow_goes_on_from_the_step_that_failed(workspace: Workspace) -> None:
    flow, ada, lead = await failed(workspace)
    assert (await flow.issue("mend")).blocked_by == []
    answer = await lead.call("retry_workflow", workflow=flow.id)
    assert (answer["state"], answer["again"]) == ("running", ["build", "mend", "ship"])
    assert await flow.states() == {
        "plan": "completed",
        "build": "open",
        "mend": "waiting",
        "ship": "waiting",
    }
    await workspace.settle()
    mend = await flow.issue("mend")
    assert (mend.state, [each.title for each in mend.blocked_by]) == ("open", ["Build it"])
    assert await flow.why_held("mend") == "waits for `build` to be done again"
    await flow.do(ada, "build", outputs={"path": "pump.py"})
    assert (await flow.states())["mend"] == "skipped"
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"
    assert (await flow.issue("parent")).state == "closed"


async def test_a_retry_from_a_step_restores_the_context_it_began_with(
    workspace: Workspace,
) -> None:
    flow, ada, lead = await failed(workspace)
    await lead.call("retry_workflow", workflow=flow.id, step="plan")
    await workspace.settle()
    assert (await flow.issue("plan")).state == "open"
    assert (await flow.states())["plan"] == "open"
    claimed = await flow.claim(ada, "plan")
    row = await flow.workflow()
    found = await ada.call("get_context", context_id=row["context_id"])
    assert (found["content"]["outputs"], found["version"]["note"]) == (
        {},
        "restored from version 1",
    )
    await flow.report(ada, "plan", "completed", outputs={"idea": "a valve"})
    await workspace.settle()
    claimed = await flow.claim(ada, "build")
    assert claimed["step"]["needs"] == {"plan": {"idea": "a valve"}}


async def test_retry_on_the_parent_retries_a_failed_workflow(workspace: Workspace) -> None:
    flow, _, _ = await failed(workspace)
    workspace.person.comment(await flow.issue("parent"), "/retry")
    await workspace.settle()
    assert (await flow.workflow())["state"] == "running"
    assert (await flow.states())["build"] == "open"


async def test_retry_on_a_failed_step_lets_the_workflow_go_on(workspace: Workspace) -> None:
    flow, ada, _ = await failed(workspace)
    workspace.person.comment(await flow.issue("build"), "/retry")
    await workspace.settle()
    assert (await flow.workflow())["state"] == "running"
    await flow.do(ada, "build", outputs={"path": "pump.py"})
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"


async def test_a_workflow_is_not_retried_beside_itself(workspace: Workspace) -> None:
    await define(workspace, LINE, "line")
    lead = await workspace.agent("lead", "tech-lead")
    issue = await workspace.task()
    given = {"name": "line", "task": workspace.name(issue)}
    first = (await lead.call("start_workflow", **given))["id"]
    await workspace.settle()
    await lead.call("cancel_workflow", workflow=first)
    await workspace.settle()
    workspace.person.reopen(issue)
    await workspace.settle()
    second = (await lead.call("start_workflow", **given))["id"]
    await workspace.settle()
    refused = await lead.refusal("retry_workflow", workflow=first)
    assert (refused.code, refused.details) == ("workflow_running", {"workflow": second})


LINE = """
steps:
  - {id: build, title: Build it, body: Work.}
"""


async def test_a_cancelled_workflow_is_retried_from_where_it_was(workspace: Workspace) -> None:
    flow, ada, lead = await half_done(workspace)
    await lead.call("cancel_workflow", workflow=flow.id)
    await workspace.settle()
    await flow.do(ada, "recall")
    answer = await lead.call("retry_workflow", workflow=flow.id)
    assert answer["again"] == ["ship", "tell", "recall", "untell"]
    await workspace.settle()
    states = await flow.states()
    assert (states["make"], states["ship"], states["recall"]) == ("completed", "open", "waiting")
    assert (await flow.issue("parent")).state == "open"
    assert (await flow.issue("recall")).state == "open"
    assert await flow.why_held("recall") == "waits for a failure: this step runs only then"


async def test_a_retry_says_what_cannot_be_retried(workspace: Workspace) -> None:
    flow, _, lead = await half_done(workspace)
    for step, why in (
        (None, "is running: no step failed"),
        ("ship", "step ship has not ended"),
        ("paint", "has no step `paint`. It has make, ship"),
    ):
        with pytest.raises(Refused, match=why):
            await lead.call("retry_workflow", workflow=flow.id, **({"step": step} if step else {}))


async def test_the_holder_of_the_parent_does_not_end_the_workflow_with_its_task(
    workspace: Workspace,
) -> None:
    await define(workspace)
    ada, issue = await workspace.agent("ada"), await workspace.task("All of it")
    fence = (await ada.call("claim_task", task=workspace.name(issue)))["fence"]
    workspace.person.comment(issue, "/run feature feature=login")
    await workspace.settle()
    mine = {"task": workspace.name(issue), "fence": fence}
    refused = await ada.refusal("update_task_status", **mine, status="completed")
    assert (refused.code, "when all steps have ended" in refused.message) == (
        "workflow_running",
        True,
    )
    await workspace.settle()
    states = await workspace.rows("SELECT state FROM workflows WHERE installation_id = :i")
    assert [each["state"] for each in states] == ["running"]


GATED = """
steps:
  - {id: build, title: Build it, body: Work.}
  - {id: signoff, title: Approve it, approve: maintainers, needs: [build]}
  - {id: ship, title: Ship it, body: Work., needs: [signoff]}
"""


async def test_a_step_does_not_wait_again_for_a_gate_that_never_began(workspace: Workspace) -> None:
    flow = await start(workspace, GATED)
    ada, lead = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    await flow.do(ada, "build", "failed")
    await lead.call("retry_workflow", workflow=flow.id)
    assert await flow.why_held("ship") == "waits for `signoff` to be done"
    assert await flow.why_held("signoff") == "waits for `build` to be done again"
