"""A workflow goes on when its tasks end, through the simulated GitHub."""

import pytest

from bot.errors import Refused
from tests.support.story import Workspace
from tests.support.workflows import start

LINE = """
steps:
  - {id: design, title: Design it, body: Think.}
  - {id: build, title: Build it, body: Work., needs: [design]}
"""


async def test_steps_begin_one_after_the_other_and_the_parent_is_closed(
    workspace: Workspace,
) -> None:
    flow = await start(workspace, LINE)
    ada = await workspace.agent("ada")
    assert await flow.states() == {"design": "open", "build": "waiting"}
    await flow.do(ada, "design")
    assert await flow.states() == {"design": "completed", "build": "open"}
    await flow.do(ada, "build")
    assert (await flow.workflow())["state"] == "completed"
    issues = {each.title: each.state_reason for each in workspace.repository.issues.values()}
    assert set(issues.values()) == {"completed"}
    assert await workspace.undocumented_events() == []


RETRY = """
steps:
  - {id: build, title: Build it, body: Work., retry: 1}
"""


async def test_a_failed_step_is_tried_again_and_says_why(workspace: Workspace) -> None:
    flow = await start(workspace, RETRY)
    ada = await workspace.agent("ada")
    await flow.do(ada, "build", "failed", result="the linter crashed")
    task = await flow.task("build")
    assert (task["state"], task["decision"]) == (
        "pending",
        "retried: attempt 2 of 2, because it failed: the linter crashed",
    )
    assert (await flow.step("build"))["attempts"] == 1
    await flow.do(ada, "build", "failed", result="again")
    assert await flow.states() == {"build": "failed"}
    row = await flow.workflow()
    assert (row["state"], row["why"]) == ("failed", "`build` failed")
    assert (await flow.issue("parent")).state == "open"


STOP = """
steps:
  - {id: a, title: Do A, body: Work.}
  - {id: b, title: Do B, body: Work.}
  - {id: c, title: Do C, body: Work.}
  - {id: d, title: Do D, body: Work., needs: [c]}
"""


async def test_a_failure_stops_what_nobody_has_begun(workspace: Workspace) -> None:
    flow = await start(workspace, STOP)
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await flow.claim(bob, "c")
    await flow.do(ada, "a", "failed")
    why = "its workflow stopped, because `a` failed"
    assert await flow.why_held("b") == why
    assert await flow.why_held("c") is None
    await flow.report(bob, "c", "completed")
    await workspace.settle()
    assert await flow.states() == {"a": "failed", "b": "waiting", "c": "completed", "d": "waiting"}
    assert await flow.why_held("d") == why
    with pytest.raises(Refused, match="its workflow stopped"):
        await bob.call("claim_task", task=await flow.name("d"))


CONTINUE = """
steps:
  - {id: lint, title: Lint it, body: Work., on_failure: continue}
  - {id: ship, title: Ship it, body: Work., needs: [lint]}
"""


async def test_with_continue_the_relation_to_the_failed_step_is_removed(
    workspace: Workspace,
) -> None:
    flow = await start(workspace, CONTINUE)
    ada = await workspace.agent("ada")
    assert [each.title for each in (await flow.issue("ship")).blocked_by] == ["Lint it"]
    await flow.do(ada, "lint", "failed")
    assert (await flow.issue("ship")).blocked_by == []
    assert (await flow.issue("lint")).state == "open"
    await flow.do(ada, "ship")
    assert (await flow.workflow())["state"] == "completed"


MEND = """
steps:
  - {id: build, title: Build it, body: Work.}
  - {id: mend, title: Mend it, body: Work., needs: [build], if: failure}
  - {id: tidy, title: Tidy up, body: Work., needs: [build, mend], if: always}
"""


async def test_steps_for_failures_begin_after_one(workspace: Workspace) -> None:
    flow = await start(workspace, MEND)
    ada = await workspace.agent("ada")
    assert await flow.why_held("mend")
    await flow.do(ada, "build", "failed")
    assert await flow.states() == {"build": "failed", "mend": "open", "tidy": "waiting"}
    assert (await flow.workflow())["state"] == "running"
    await flow.do(ada, "mend")
    await flow.do(ada, "tidy")
    assert (await flow.workflow())["state"] == "failed"


async def test_steps_for_failures_are_skipped_without_one(workspace: Workspace) -> None:
    flow = await start(workspace, MEND)
    ada = await workspace.agent("ada")
    await flow.do(ada, "build")
    assert await flow.states() == {"build": "completed", "mend": "skipped", "tidy": "open"}
    issue = await flow.issue("mend")
    assert (issue.state, issue.state_reason) == ("closed", "not_planned")
    assert (await flow.task("mend"))["decision"] == "cancelled: skipped: no step before it failed"
    await flow.do(ada, "tidy")
    assert (await flow.workflow())["state"] == "completed"


LABELLED = """
steps:
  - {id: build, title: Build it, body: Work.}
  - {id: docs, title: Document it, body: Work., needs: [build], if: "label:docs"}
"""


@pytest.mark.parametrize(("labels", "state"), [([], "skipped"), (["docs"], "open")])
async def test_a_step_with_a_label_asks_the_parent_issue(
    workspace: Workspace, labels: list[str], state: str
) -> None:
    flow = await start(workspace, LABELLED)
    ada = await workspace.agent("ada")
    for label in labels:
        workspace.person.add_label(await flow.issue("parent"), label)
    await workspace.settle()
    await flow.do(ada, "build")
    assert (await flow.states())["docs"] == state


UNDO = """
steps:
  - {id: deploy, title: Deploy it, body: Work., on_failure: {compensate: undo}}
  - {id: tell, title: Tell people, body: Work., needs: [deploy]}
  - {id: undo, title: Roll back, body: Work.}
"""


async def test_a_failed_step_is_compensated(workspace: Workspace) -> None:
    flow = await start(workspace, UNDO)
    ada = await workspace.agent("ada")
    assert await flow.why_held("undo")
    await flow.do(ada, "deploy", "failed")
    assert await flow.states() == {"deploy": "failed", "tell": "waiting", "undo": "open"}
    await flow.do(ada, "undo")
    assert (await flow.workflow())["state"] == "failed"


async def test_a_step_that_undoes_is_skipped_at_the_end(workspace: Workspace) -> None:
    flow = await start(workspace, UNDO)
    ada = await workspace.agent("ada")
    await flow.do(ada, "deploy")
    await flow.do(ada, "tell")
    assert (await flow.states())["undo"] == "skipped"
    assert (await flow.issue("undo")).state == "closed"
    assert (await flow.workflow())["state"] == "completed"


FEW = """
inputs:
  parts: {type: list, default: [a, b, c]}
parallel: 2
steps:
  - {id: build, title: "Build ${{ item }}", body: Work., each: parts}
"""


async def test_steps_wait_for_a_place_and_get_it_in_order(workspace: Workspace) -> None:
    flow = await start(workspace, FEW)
    ada = await workspace.agent("ada")
    why = "waits for a place: at most 2 steps of this workflow are open at once"
    assert await flow.why_held("build-3") == why
    await flow.do(ada, "build-2")
    assert await flow.states() == {"build-1": "open", "build-2": "completed", "build-3": "open"}
    assert await flow.why_held("build-3") is None


TIMED = """
steps:
  - {id: build, title: Build it, body: Work., timeout: 2h, retry: 1}
"""


async def test_a_step_that_takes_too_long_is_taken_from_its_holder(workspace: Workspace) -> None:
    flow = await start(workspace, TIMED)
    ada = await workspace.agent("ada")
    claimed = await flow.claim(ada, "build")
    await ada.call(
        "update_task_status",
        task=await flow.name("build"),
        status="in_review",
        fence=flow.fences["build"],
        note="Look at it.",
    )
    await workspace.time_passes(2 * 3600 - 60)
    assert (await flow.task("build"))["state"] == "in_review"
    await workspace.time_passes(120)
    task = await flow.task("build")
    assert (task["state"], task["holder"]) == ("pending", None)
    assert task["decision"].endswith("its time of 2h is over")
    (lease,) = await workspace.rows("SELECT state FROM leases WHERE installation_id = :i")
    assert lease["state"] == "revoked"
    assert claimed["task"]["fence"] == 1
    await workspace.time_passes(2 * 3600)
    assert await flow.states() == {"build": "failed"}


async def test_the_time_of_a_step_begins_again_after_a_hold_by_a_person(
    workspace: Workspace,
) -> None:
    flow = await start(workspace, TIMED.replace(", retry: 1", ""))
    issue = await flow.issue("build")
    workspace.person.comment(issue, "/hold until the lawyers agree")
    await workspace.settle()
    await workspace.time_passes(3 * 3600)
    assert await flow.states() == {"build": "open"}
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    await workspace.time_passes(2 * 3600 - 120)
    assert await flow.states() == {"build": "open"}
    await workspace.time_passes(240)
    assert await flow.states() == {"build": "failed"}


GATED = """
steps:
  - {id: design, title: Design it, body: Work.}
  - {id: approve, title: Approve it, approve: maintainers, needs: [design], timeout: 1d}
  - {id: build, title: Build it, body: Work., needs: [approve]}
"""


async def test_a_gate_opens_on_hold_and_its_time_runs(workspace: Workspace) -> None:
    flow = await start(workspace, GATED)
    ada = await workspace.agent("ada")
    await flow.do(ada, "design")
    assert await flow.states() == {"design": "completed", "approve": "open", "build": "waiting"}
    assert (await flow.why_held("approve") or "").startswith("waits for ")
    await workspace.time_passes(24 * 3600)
    assert (await flow.states())["approve"] == "failed"
    assert (await flow.workflow())["state"] == "failed"
