"""What people and tech-leads decide, and what their agents can still do."""

import re

import pytest

from bot.tasks.lifecycle import RESERVED_FOR
from fixtures.github import Comment, Issue, Pull
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def card(issue: Issue) -> str:
    (found,) = [each.body for each in issue.comments if "**Hubbub** ·" in each.body]
    return found


def reactions(comment: Comment) -> list[str]:
    return [each.content for each in comment.reactions]


@ON_SQLITE
async def test_a_reserved_task_is_for_its_agent_alone(workspace: Workspace) -> None:
    issue = await workspace.task()
    chosen, other = await workspace.agent("chosen"), await workspace.agent("other")
    workspace.person.comment(issue, "/assign @chosen")
    await workspace.settle()
    assert "Reserved for `chosen`." in card(issue)
    assert (await other.refusal("claim_task", task=workspace.name(issue))).code == "reserved"
    assert (await other.refusal("claim_task")).code == "nothing_ready"
    task = (await chosen.call("claim_task"))["task"]
    assert (task["holder"], task["assigned_to"]) == ("chosen", None)


@ON_SQLITE
async def test_a_reservation_that_nobody_takes_up_lapses(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    await workspace.agent("dead")
    await lead.call("assign_task", task=workspace.name(issue), agent_id="dead")
    await workspace.time_passes(RESERVED_FOR / 1_000_000 - 60)
    assert (await other.refusal("claim_task")).code == "nothing_ready"
    await workspace.time_passes(61)
    assert (await other.call("claim_task"))["task"]["number"] == issue.number


@ON_SQLITE
async def test_a_task_is_reserved_for_nobody_who_could_not_claim_it(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(
        workspace.repository, "Rusty", labels=["agent-task", "needs:rust"]
    )
    await workspace.settle()
    lead, plain = await workspace.agent("lead", "tech-lead"), await workspace.agent("plain")
    here = {"task": workspace.name(issue)}
    assert (await lead.refusal("assign_task", **here, agent_id="nobody")).code == "unknown_agent"
    assert (await lead.refusal("assign_task", **here, agent_id="plain")).code == "lacks_capability"
    assert (await plain.refusal("assign_task", **here, agent_id="lead")).code == "forbidden"
    assert (await plain.call("get_task", **here))["task"]["state"] == "pending"


@ON_SQLITE
async def test_a_reservation_is_given_back_by_assigning_to_nobody(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    await lead.call("assign_task", task=workspace.name(issue), agent_id="lead")
    await lead.call("assign_task", task=workspace.name(issue))
    assert (await other.call("claim_task"))["task"]["number"] == issue.number


async def test_a_hold_stops_the_holders_work_and_not_its_words(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=60))["fence"]
    comment = workspace.person.comment(issue, "/hold the plan changes")
    await workspace.settle()
    assert reactions(comment) == ["+1"]
    assert "**On hold** by `@octocat`: `the plan changes`" in card(issue)
    # However long it takes: the lease does not run out.
    await workspace.time_passes(3 * 24 * 3600)
    mine = {"task": where, "fence": fence}
    refused = await agent.refusal("update_task_status", **mine, status="completed")
    assert (refused.code, refused.details["held_by"]) == ("on_hold", "@octocat")
    refused = await agent.refusal("update_task_status", **mine, status="in_progress", progress=50)
    assert refused.code == "on_hold"
    work = {"branch": "mend", "message": "M", "files": [{"path": "a.py", "content": "1"}]}
    assert (await agent.refusal("github_commit_files", **mine, **work)).code == "on_hold"
    other = await workspace.agent("other")
    refused = await other.refusal("github_comment_issue", issue=where, body="So?")
    assert refused.code == "on_hold"
    # Its words go out during the hold, with a fence and without.
    await agent.call("github_comment_issue", issue=where, fence=fence, body="Which plan?")
    await agent.call("github_comment_issue", issue=where, body="I can wait.")
    asked = {"status": "in_progress", "question": "New plan?"}
    told = await agent.call("update_task_status", **mine, **asked, note="I wait")
    assert (told["task"]["held"], told["task"]["note"]) == (True, "I wait")
    # The same question again is not asked twice.
    await agent.call("update_task_status", **mine, **asked)
    await workspace.settle()
    said = "".join(each.body for each in issue.comments if "**Hubbub** ·" not in each.body)
    assert [said.count(each) for each in ("Which plan?", "I can wait.", "New plan?")] == [1, 1, 1]
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    done = await agent.call("update_task_status", **mine, status="completed")
    assert done["task"]["state"] == "completed"


async def test_the_refusal_of_a_hold_speaks_of_the_lease_only_to_the_holder(
    workspace: Workspace,
) -> None:
    issue, where = await workspace.task(), "acme/rocket#1"
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    lead = await workspace.agent("lead", "tech-lead")
    fence = (await scout.call("claim_task", task=where))["fence"]
    await lead.call("change_task", task=where, hold=True, note="The design changes.")
    begin = f"lead put {where} on hold: The design changes."
    comment = {"issue": where, "body": "Look"}
    report = {"task": where, "fence": fence, "status": "in_review"}
    assert (await scout.refusal("update_task_status", **report)).message == (
        f"{begin} You keep your lease, and may comment, send messages, call release_task, or pass "
        "a `question` or `note` with `status` in_progress. The rest must wait until the hold ends. "
        "Nothing was changed."
    )
    await scout.call("update_task_status", **report | {"status": "in_progress"}, note="I wait")
    await scout.call("release_task", task=where, fence=fence)
    for agent in (scout, other):
        assert (await agent.refusal("github_comment_issue", **comment)).message == (
            f"{begin} What you can do: ask a tech-lead or a person to end the hold. Nothing was "
            "changed. Tech-leads: lead."
        )
    await lead.call("change_task", task=where, hold=False)
    workspace.person.comment(issue, "/hold I think")
    await workspace.settle()
    assert (await other.refusal("github_comment_issue", **comment)).message == (
        f"@octocat put {where} on hold: I think. What you can do: ask @octocat to end the hold. "
        "Nothing was changed."
    )


async def test_after_a_hold_the_time_of_a_lease_begins_anew(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    await agent.call("claim_task", task=where, lease_s=60)
    await lead.call("change_task", task=where, hold=True)
    await workspace.time_passes(3600)
    await lead.call("change_task", task=where, hold=False)
    await workspace.time_passes(50)
    assert (await lead.call("get_task", task=where))["task"]["holder"] == "scout"
    await workspace.time_passes(20)
    assert (await lead.call("get_task", task=where))["task"]["holder"] is None


async def test_what_was_queued_before_a_hold_waits_for_its_end(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where))["fence"]
    await agent.write("github_update_issue", issue=where, fence=fence, title="Mended")
    await lead.call("change_task", task=where, hold=True)
    await agent.write("github_comment_issue", issue=where, fence=fence, body="Why?")
    await workspace.settle()
    assert issue.title == "Mend it"
    assert any("Why?" in each.body for each in issue.comments)
    await lead.call("change_task", task=where, hold=False)
    await workspace.settle()
    assert issue.title == "Mended"


async def test_a_task_on_hold_is_claimed_by_nobody_and_given_back_by_its_holder(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where))["fence"]
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    await agent.call("release_task", task=where, fence=fence)
    assert (await other.refusal("claim_task", task=where)).code == "on_hold"
    assert (await other.refusal("claim_task")).code == "nothing_ready"


@pytest.mark.parametrize(
    ("text", "state", "reason"),
    [("/cancel not worth it", "cancelled", "not_planned"), ("/done", "completed", "completed")],
)
@ON_SQLITE
async def test_a_person_ends_a_task_and_its_issue(
    workspace: Workspace, text: str, state: str, reason: str
) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    fence = (await agent.call("claim_task", task=where))["fence"]
    workspace.person.comment(issue, text)
    await workspace.settle()
    assert (issue.state, issue.state_reason) == ("closed", reason)
    late = {"task": where, "status": "in_review", "fence": fence}
    assert (await agent.refusal("update_task_status", **late)).code == "stale_fence"
    assert (await agent.call("get_task", task=where))["task"]["state"] == state
    workspace.person.comment(issue, "/retry")
    await workspace.settle()
    assert issue.state == "open"
    assert (await agent.call("claim_task"))["fence"] == fence + 1


@ON_SQLITE
async def test_a_step_that_cannot_be_names_those_that_can(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, where = await workspace.agent("lead", "tech-lead"), workspace.name(issue)
    refused = await lead.refusal("change_task", task=where, state="pending")
    assert refused.code == "illegal_transition"
    await lead.call("change_task", task=where, state="cancelled")
    refused = await lead.refusal("change_task", task=where, state="completed")
    assert (refused.code, refused.details["legal"]) == ("illegal_transition", ["pending"])
    refused = await lead.refusal("change_task", task=where, hold=True)
    assert refused.code == "illegal_transition"
    assert (await lead.refusal("change_task", task=where)).code == "invalid_arguments"


async def test_commands_set_the_priority_and_what_a_task_waits_for(workspace: Workspace) -> None:
    issue, first = await workspace.task("Second"), await workspace.task("First")
    agent = await workspace.agent("scout")
    workspace.person.comment(issue, f"/priority high\n/block #{first.number}")
    await workspace.settle()
    assert (await agent.call("get_task", task=workspace.name(issue)))["task"]["priority"] == "high"
    assert (await agent.call("claim_task"))["task"]["number"] == first.number
    workspace.person.comment(issue, f"/unblock #{first.number}")
    await workspace.settle()
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number
    wrong = workspace.person.comment(issue, "/priority soon")
    await workspace.settle()
    assert reactions(wrong) == ["confused"]


async def test_a_question_waits_for_a_person_and_the_answer_lets_the_work_go_on(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=60))["fence"]
    asked = {"task": where, "fence": fence, "status": "in_progress"}
    told = await agent.call("update_task_status", **asked, question="Tabs or spaces?")
    assert told["task"]["question"] == "Tabs or spaces?"
    await workspace.settle()
    assert any("> Tabs or spaces?" in each.body for each in issue.comments)
    await workspace.time_passes(24 * 3600)
    workspace.person.publicize(workspace.repository)
    workspace.github.person("monalisa").comment(issue, "Tabs!")
    await workspace.settle()
    assert (await agent.call("get_task", task=where))["task"]["question"] is not None
    workspace.person.comment(issue, "Spaces.")
    await workspace.settle()
    task = (await agent.call("get_task", task=where))["task"]
    assert (task["question"], task["holder"]) == (None, "scout")
    await workspace.time_passes(61)
    assert (await agent.call("get_task", task=where))["task"]["holder"] is None


async def test_whoever_goes_on_without_an_answer_waits_no_more(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=60))["fence"]
    asked = {"task": where, "fence": fence, "status": "in_progress"}
    await agent.call("update_task_status", **asked, question="Tabs or spaces?")
    await agent.call("update_task_status", **asked, progress=10)
    await workspace.time_passes(61)
    assert (await other.call("claim_task", task=where))["fence"] == fence + 1


async def test_each_step_leaves_its_event_and_its_audit_row(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=60))["fence"]
    report = {"task": where, "fence": fence, "status": "in_review", "note": "Look"}
    await agent.call("update_task_status", **report)
    workspace.clock.forward(2)
    workspace.person.close(issue, "not_planned")
    await workspace.settle()
    steps = ["task.created", "task.claimed", "task.in_review", "task.cancelled"]
    q = (
        "SELECT {what} AS what, actor FROM {table} WHERE installation_id = :i AND subject = :t "
        "AND {what} <> 'task.ready'"  # that is no step
    )
    (task,) = await workspace.rows("SELECT id FROM tasks WHERE installation_id = :i")
    for table, what in (("events", "kind"), ("audit", "operation")):
        rows = await workspace.rows(
            f"{q.format(what=what, table=table)} ORDER BY seq", t=task["id"]
        )
        assert [row["what"] for row in rows] == steps
        assert [row["actor"] for row in rows][1:] == ["scout", "scout", "@octocat"]


async def propose(workspace: Workspace, agent: Agent, issue: Issue) -> tuple[Pull, int]:
    """A pull request of the task that its holder says is to be reviewed."""
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where, lease_s=3600))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await agent.write("github_create_pr", task=where, fence=fence, head="fix", title="Mend")
    await workspace.settle()
    await agent.call("update_task_status", task=where, fence=fence, status="in_review")
    (pull,) = workspace.repository.pulls.values()
    return pull, fence


@pytest.mark.parametrize("how", ["changes requested", "closed"])
@ON_SQLITE
async def test_a_review_that_says_no_sends_the_task_back_and_its_time_runs(
    workspace: Workspace, how: str
) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    pull, fence = await propose(workspace, agent, issue)
    await workspace.time_passes(24 * 3600)
    if how == "closed":
        workspace.person.close(pull)
    else:
        reviewer.review(pull, "changes_requested", "Not so.")
    await workspace.settle()
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["state"], task["holder"]) == ("in_progress", "scout")
    # A dead agent's task is not lost in a review for ever.
    await workspace.time_passes(3601)
    assert (await other.call("claim_task"))["fence"] == fence + 1


@ON_SQLITE
async def test_a_review_that_agrees_or_comments_leaves_the_task_in_review(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    pull, _ = await propose(workspace, agent, issue)
    reviewer.review(pull, "commented", "Hm.")
    reviewer.review(pull, "approved", "Yes.")
    await workspace.settle()
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert task["state"] == "in_review"


@pytest.mark.parametrize("action", ["pause", "unregister"])
@ON_SQLITE
async def test_what_was_reserved_for_an_agent_that_stops_is_anybodys(
    workspace: Workspace, action: str
) -> None:
    issue = await workspace.task()
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("other")
    chosen = await workspace.agent("chosen")
    await lead.call("assign_task", task=workspace.name(issue), agent_id="chosen")
    await chosen.call("manage_agent", agent_id="chosen", action=action)
    assert (await other.call("claim_task"))["task"]["number"] == issue.number


async def test_a_person_asks_the_holder_who_hears_of_it_with_its_next_call(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    nobody = workspace.person.comment(issue, "/ask Anybody there?")
    await workspace.settle()
    assert reactions(nobody) == ["confused"]
    await agent.call("claim_task", task=workspace.name(issue))
    asked = workspace.person.comment(issue, "/ask How far are you?")
    await workspace.settle()
    assert reactions(asked) == ["+1"]
    told = (await agent.call("list_tasks"))["notices"]
    assert [each["kind"] for each in told] == ["message"]
    (message,) = (await agent.call("get_messages"))["messages"]
    assert (message["sender"], message["body"]) == ("@octocat", "How far are you?")
    assert message["task"] == workspace.name(issue)


async def test_who_leads_takes_a_task_away_by_the_fence_it_saw_or_by_none(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    seen = (await agent.call("claim_task", task=where))["fence"]
    await agent.call("release_task", task=where, fence=seen)
    other = await workspace.agent("other")
    await other.call("claim_task", task=where)
    # Meant for the one before: that lease is over.
    refused = await lead.refusal("release_task", task=where, fence=seen)
    assert (refused.code, refused.details["holder"]) == ("stale_fence", "other")
    assert (await lead.call("release_task", task=where))["task"]["holder"] is None


@ON_SQLITE
async def test_what_a_person_put_on_hold_no_agent_resumes_or_ends(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    await agent.call("claim_task", task=where)
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    for given in ({"hold": False}, {"state": "completed"}, {"state": "cancelled"}):
        refused = await lead.refusal("change_task", task=where, **given)
        assert (refused.code, refused.details["held_by"]) == ("on_hold", "@octocat")
    workspace.person.comment(issue, "/resume")
    await workspace.settle()
    await lead.call("change_task", task=where, hold=True)
    assert not (await lead.call("change_task", task=where, hold=False))["task"]["held"]


@ON_SQLITE
async def test_a_hold_ends_with_its_task(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, where = await workspace.agent("lead", "tech-lead"), workspace.name(issue)
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    workspace.person.close(issue)
    await workspace.settle()
    task = (await lead.call("get_task", task=where))["task"]
    assert (task["state"], task["held"], task["held_by"]) == ("completed", False, None)
    workspace.person.reopen(issue)
    await workspace.settle()
    assert (await lead.call("claim_task"))["task"]["number"] == issue.number


async def test_a_retried_task_begins_anew_behind_those_that_did_not_fail(
    workspace: Workspace,
) -> None:
    failed, other = await workspace.task("Failed"), await workspace.task("Other")
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    here = {"task": workspace.name(failed)}
    fence = (await agent.call("claim_task", **here))["fence"]
    said = {"progress": 80, "note": "The parser is in the way", "result": "Nothing"}
    await agent.call("update_task_status", **here, fence=fence, status="failed", **said)
    task = (await lead.call("change_task", **here, state="pending"))["task"]
    assert (task["progress"], task["result"]) == (0, None)
    assert task["note"] == "The parser is in the way"
    await workspace.settle()
    assert (await agent.call("claim_task"))["task"]["number"] == other.number
    assert (await agent.call("claim_task"))["task"]["number"] == failed.number


async def test_a_decision_is_written_on_the_labels_that_say_otherwise(workspace: Workspace) -> None:
    for name in ("priority:high", "Priority: High", "size/large", "size:l", "needs:rust:2"):
        workspace.person.create_label(workspace.repository, name)
    labels = ["agent-task", "priority:low", "size/s", "needs:go"]
    issue = workspace.person.open_issue(workspace.repository, "Mend it", labels=labels)
    plain = await workspace.task("Without such labels")
    lead = await workspace.agent("lead", "tech-lead")
    given = {"priority": "high", "size": "large", "capabilities": ["rust:2"]}
    for each in (issue, plain):
        await lead.call("change_task", task=workspace.name(each), **given)
        await workspace.settle()
        task = (await lead.call("get_task", task=workspace.name(each)))["task"]
        assert {name: task[name] for name in given} == given
    assert sorted(each.name for each in issue.labels) == [
        "agent-task",
        "needs:rust:2",
        "priority:high",
        "size/large",
    ]
    assert [each.name for each in plain.labels] == ["agent-task"]


@ON_SQLITE
async def test_a_persons_hold_takes_the_place_of_an_agents(workspace: Workspace) -> None:
    issue = await workspace.task()
    lead, where = await workspace.agent("lead", "tech-lead"), workspace.name(issue)
    await lead.call("change_task", task=where, hold=True, note="A moment")
    workspace.person.comment(issue, "/hold " + "legal must look first, " * 40)
    await workspace.settle()
    assert (await lead.refusal("change_task", task=where, hold=False)).code == "on_hold"
    held = (await lead.call("change_task", task=where, hold=True, note="Mine"))["task"]
    assert (held["held_by"], held["held_why"][:5]) == ("@octocat", "legal")


async def test_a_command_is_no_answer(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    mine = {"task": where, "fence": (await agent.call("claim_task", task=where))["fence"]}
    await agent.call("update_task_status", **mine, status="in_progress", question="Tabs?")
    await workspace.settle()
    workspace.clock.forward(5)
    workspace.person.comment(issue, "/status\n\n/help")
    await workspace.settle()
    assert (await agent.call("get_task", task=where))["task"]["question"] == "Tabs?"
    workspace.person.comment(issue, "/spaces")
    await workspace.settle()
    assert (await agent.call("get_task", task=where))["task"]["question"] is None


@ON_SQLITE
async def test_what_is_said_before_the_question_is_there_does_not_answer_it(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    mine = {"task": where, "fence": (await agent.call("claim_task", task=where))["fence"]}
    await workspace.settle()
    await agent.call("update_task_status", **mine, status="in_progress", question="Tabs?")
    workspace.clock.forward(5)
    workspace.person.comment(issue, "By the way, thanks!")
    while await workspace.process_delivery():
        pass
    await workspace.settle()
    assert (await agent.call("get_task", task=where))["task"]["question"] == "Tabs?"
    workspace.clock.forward(5)
    workspace.person.comment(issue, "Spaces.")
    await workspace.settle()
    assert (await agent.call("get_task", task=where))["task"]["question"] is None


async def test_a_question_that_nobody_gets_to_see_keeps_nothing_waiting(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    mine = {"task": where, "fence": (await agent.call("claim_task", task=where))["fence"]}
    await workspace.settle()
    await agent.call("update_task_status", **mine, status="in_progress", question="Tabs?")
    waits = await workspace.rows(
        "SELECT id FROM writes WHERE installation_id = :i AND kind = 'comment' AND state = 'queued'"
    )
    await agent.call("cancel_write", write_id=waits[0]["id"])
    task = (await agent.call("get_task", task=where))["task"]
    assert (task["question"], task["lease_expires_at"] is None) == (None, False)
    await workspace.time_passes(1000)
    assert (await agent.call("get_task", task=where))["task"]["holder"] is None


@ON_SQLITE
async def test_a_task_is_not_reserved_for_an_agent_whose_role_claims_nothing(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    lead, _ = (
        await workspace.agent("lead", "tech-lead"),
        await workspace.agent("watcher", "observer"),
    )
    refused = await lead.refusal("assign_task", task=workspace.name(issue), agent_id="watcher")
    assert (refused.code, "observer" in refused.message) == ("not_claimable", True)


@pytest.mark.parametrize(
    "given",
    [
        {"state": "completed"},
        {"state": "not_planned"},
        {"labels": ["agent-task", "priority:high"]},
        {"labels": []},
        {"blocked_by": []},
        {"parent": ""},
    ],
)
async def test_an_issues_task_is_not_steered_past_its_holder(
    workspace: Workspace, given: dict[str, object]
) -> None:
    for name in ("bug", "priority:high"):
        workspace.person.create_label(workspace.repository, name)
    issue, parent = (
        await workspace.task(),
        workspace.person.open_issue(workspace.repository, "Parent"),
    )
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    where = workspace.name(issue)
    fence = (await agent.call("claim_task", task=where))["fence"]
    workspace.person.add_sub_issue(parent, issue)
    workspace.person.block(issue, workspace.person.open_issue(workspace.repository, "Blocker"))
    await workspace.settle()
    refused = await other.refusal("github_update_issue", issue=where, **given)
    assert (refused.code, refused.details["holder"]) == ("not_holder", "scout")
    others = {"issue": where, "title": "Mend it well", "labels": ["agent-task", "bug"]}
    assert (await other.refusal("github_update_issue", **others)).code == "not_holder"
    await agent.call("github_update_issue", issue=where, fence=fence, **given)
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("github_update_issue", issue=where, **given)


@ON_SQLITE
async def test_who_created_a_task_may_cancel_it_until_somebody_claims_it(
    workspace: Workspace,
) -> None:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    made = [
        (await ada.call("create_task", repository="acme/rocket", title=each))["task"]["id"]
        for each in ("Paint the hull", "Fill the tank")
    ]
    await workspace.settle()
    names = [(await ada.call("get_task", task=each))["task"]["task"] for each in made]
    cancel = {"state": "not_planned"}
    assert (await bob.refusal("github_update_issue", issue=names[0], **cancel)).code == "not_holder"
    done = {"issue": names[0], "state": "completed"}
    assert (await ada.refusal("github_update_issue", **done)).code == "not_holder"
    await ada.call("github_update_issue", issue=names[0], **cancel)
    await workspace.settle()
    assert (await ada.call("get_task", task=names[0]))["task"]["state"] == "cancelled"
    assert workspace.repository.issues[1].state_reason == "not_planned"
    fence = (await bob.call("claim_task", task=names[1]))["fence"]
    await bob.call("release_task", task=names[1], fence=fence)
    assert (await ada.refusal("github_update_issue", issue=names[1], **cancel)).code == "not_holder"


@ON_SQLITE
async def test_what_says_nothing_of_a_free_task_anybody_may_change(workspace: Workspace) -> None:
    workspace.person.create_label(workspace.repository, "bug")
    issue, other = await workspace.task(), await workspace.agent("other")
    more = {"title": "Mend it well", "labels": ["agent-task", "bug"]}
    await other.call("github_update_issue", issue=workspace.name(issue), **more)


@ON_SQLITE
async def test_a_task_is_not_freed_of_its_sub_issues_from_their_end(workspace: Workspace) -> None:
    parent, child = (
        await workspace.task(),
        workspace.person.open_issue(workspace.repository, "A part"),
    )
    other = workspace.person.open_issue(workspace.repository, "Another parent")
    workspace.person.add_sub_issue(parent, child)
    await workspace.settle()
    agent, where = await workspace.agent("scout"), workspace.name(child)
    assert (await agent.refusal("claim_task", task=workspace.name(parent))).code == "blocked"
    for there in ("", workspace.name(other)):
        refused = await agent.refusal("github_update_issue", issue=where, parent=there)
        assert refused.code == "not_holder"
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("github_update_issue", issue=where, parent="")
    await workspace.settle()
    assert child.parent is None


@ON_SQLITE
async def test_nobody_commits_to_the_branch_of_a_task_on_hold(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    mine = {"task": where, "fence": (await agent.call("claim_task", task=where))["fence"]}
    work = {"message": "Mended", "files": [{"path": "a.py", "content": "1"}]}
    await agent.write("github_commit_files", **mine, branch="mend", **work)
    workspace.person.comment(issue, "/hold")
    await workspace.settle()
    here = {"repository": "acme/rocket"}
    refused = await agent.refusal("github_commit_files", **here, branch="mend", **work)
    assert refused.code == "on_hold"
    pull = {"title": "Mend", "head": "mend", "body": "Mended"}
    assert (await agent.refusal("github_create_pr", **here, **pull)).code == "on_hold"
    await agent.write("github_commit_files", **here, branch="another", **work)
    await agent.call("release_task", **mine)
    refused = await agent.refusal("github_commit_files", **here, branch="mend", **work)
    assert refused.code == "on_hold"


@ON_SQLITE
async def test_who_ended_a_task_and_why_is_seen(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    where = workspace.name(issue)
    mine = {"task": where, "fence": (await agent.call("claim_task", task=where))["fence"]}
    await agent.call("update_task_status", **mine, status="in_progress", note="Half of it")
    changed = await lead.call("change_task", task=where, state="cancelled", note="Not needed")
    assert changed["task"]["decision"] == "cancelled by lead: Not needed"
    closes = changed["writes"][0]["write_id"]
    assert (await lead.write("get_write", write_id=closes))["kind"] == "issue_update"
    (lost,) = (await agent.call("list_tasks"))["notices"]
    assert "cancelled by lead: Not needed" in lost["message"]
    await workspace.settle()
    assert re.search(r"Cancelled by `lead` on .* UTC: `Not needed`\.", card(issue))
    retried = (await lead.call("change_task", task=where, state="pending"))["task"]
    assert (retried["decision"], retried["note"]) == ("retried by lead", "Half of it")


@ON_SQLITE
async def test_whoever_loses_a_task_is_told_and_not_when_it_holds_it_anew(
    workspace: Workspace,
) -> None:
    issue, other = await workspace.task(), await workspace.task()
    agent, where = await workspace.agent("scout"), workspace.name(issue)
    await agent.call("claim_task", task=where)
    workspace.person.comment(issue, "/done")
    await workspace.settle()
    said = (await agent.call("list_tasks"))["notices"]
    assert [(each["kind"], each["subject"]) for each in said] == [("completed", where)]
    await agent.call("claim_task", task=workspace.name(other), lease_s=60)
    await workspace.time_passes(61)
    assert (await agent.call("claim_task", task=workspace.name(other)))["notices"] == []


async def test_a_retried_task_does_not_go_on_with_work_that_is_in(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, lead = await workspace.agent("scout"), await workspace.agent("lead", "tech-lead")
    mine = {"task": workspace.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    await agent.write("github_create_pr", **mine, title="Mend", head="mend", body="Mended")
    await workspace.settle()
    workspace.person.merge(workspace.repository.pulls[2])
    await workspace.settle()
    await lead.call("change_task", task=mine["task"], state="pending", note="On Windows too")
    claimed = await agent.call("claim_task")
    assert (claimed["task"]["pull_request"], claimed["handoff"]["branch"]) == (None, None)
    assert claimed["task"]["decision"] == "retried by lead: On Windows too"


@pytest.mark.parametrize("end", ["/done", "/cancel"])
async def test_a_retried_task_keeps_its_open_pull_request_whose_merge_completes_it(
    workspace: Workspace, end: str
) -> None:
    issue = await workspace.task()
    agent, heir = await workspace.agent("scout"), await workspace.agent("heir")
    mine = {"task": workspace.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    await agent.write("github_create_pr", **mine, title="Mend", head="mend", body="Mended")
    await workspace.settle()
    for each in (end, "/retry"):
        workspace.person.comment(issue, each)
        await workspace.settle()
    left = (await heir.call("claim_task", task=mine["task"]))["handoff"]
    assert (left["pull_request"], left["branch"]) == (2, "mend")
    # GitHub's times have whole seconds, so a merge in the second of the retry may be older than it.
    workspace.clock.forward(2)
    workspace.person.merge(workspace.repository.pulls[2])
    await workspace.settle()
    found = await heir.call("get_task", task=mine["task"])
    assert found["task"]["state"] == "completed"
    assert "pull request #2 was merged" in found["notices"][0]["message"]


async def test_a_hold_and_an_end_do_not_go_together(workspace: Workspace) -> None:
    issue, lead = await workspace.task(), await workspace.agent("lead", "tech-lead")
    given = {"task": workspace.name(issue), "hold": True, "state": "cancelled"}
    assert (await lead.refusal("change_task", **given)).code == "invalid_arguments"
