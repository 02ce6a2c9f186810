"""Which task a claim gives, and why another one cannot be had."""

import asyncio
import re

import pytest

from bot.errors import Refused
from bot.tasks.task_labels import changed_task_fields, task_fields
from store.engine.transaction import Tx
from store.tasks import tasks
from tests.support.story import Workspace


async def offered_number(workspace: Workspace, **wanted: str) -> int:
    """The number of the issue that a newcomer gets, who gives it back."""
    agent = await workspace.agent("taster", "developer", "python", "rust:3")
    claimed = await agent.call("claim_task", **wanted)
    where, fence = claimed["task"]["task"], claimed["fence"]
    await agent.call("release_task", task=where, fence=fence)
    return int(claimed["task"]["number"])


async def test_the_most_urgent_then_the_least_failed_then_the_oldest_is_offered(
    workspace: Workspace,
) -> None:
    oldest, failed, urgent = [await workspace.task(each) for each in ("Oldest", "Failed", "Urgent")]
    workspace.person.add_label(urgent, "priority:high")
    await workspace.settle()
    assert await offered_number(workspace) == urgent.number
    workspace.person.close(urgent)
    workspace.person.close(oldest)
    clumsy = await workspace.agent("clumsy")
    await workspace.settle()
    assert (await clumsy.call("claim_task", lease_s=60))["task"]["number"] == failed.number
    await workspace.time_passes(61)
    newest = await workspace.task("Newest")
    assert await offered_number(workspace) == newest.number


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ({"label": "Docs"}, "Labelled"),
        ({"size": "small"}, "Small"),
        ({"capability": "rust"}, "Rusty"),
        ({"repository": "acme/rocket"}, "Plain"),
    ],
)
async def test_a_claim_can_ask_for_a_kind_of_task(
    workspace: Workspace, wanted: dict[str, str], title: str
) -> None:
    made = {"Plain": [], "Labelled": ["docs"], "Small": ["size: S"], "Rusty": ["needs:rust:2"]}
    for name, labels in made.items():
        workspace.person.open_issue(workspace.repository, name, labels=["agent-task", *labels])
    await workspace.settle()
    number = await offered_number(workspace, **wanted)
    assert workspace.repository.issues[number].title == title


async def test_a_claim_and_a_report_answer_with_the_task_as_it_is_stored(
    workspace: Workspace,
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("assign_task", task=workspace.name(issue), agent_id="scout")
    claimed = (await scout.call("claim_task"))["task"]
    assert claimed == (await scout.call("get_task", task=claimed["id"]))["task"]
    given = {"task": claimed["id"], "fence": 1, "status": "in_progress", "progress": 30}
    reported = (await scout.call("update_task_status", **given))["task"]
    assert reported == (await scout.call("get_task", task=claimed["id"]))["task"]


async def test_agents_claim_no_more_than_they_may_hold_when_they_claim_at_once(
    workspace: Workspace,
) -> None:
    for n in range(6):
        await workspace.task(f"Task {n}")
    scout = await workspace.agent("scout")
    claims = (scout.call("claim_task") for _ in range(6))
    answers = await asyncio.gather(*claims, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, Refused)]
    assert [each.code for each in refused] == ["too_many"] * 3


async def test_a_task_beyond_an_agents_level_is_not_offered_and_not_given(
    workspace: Workspace,
) -> None:
    issue = workspace.person.open_issue(
        workspace.repository, "Hard", labels=["agent-task", "needs:rust:4"]
    )
    await workspace.settle()
    agent = await workspace.agent("junior", "developer", "rust:3")
    refused = await agent.refusal("claim_task")
    assert (refused.code, refused.details["lacking"]) == ("nothing_ready", ["rust:4"])
    refused = await agent.refusal("claim_task", task=workspace.name(issue))
    assert refused.code == "lacks_capability"
    await agent.call("update_agent", capabilities=["rust:5"])
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number


async def test_many_tasks_for_others_do_not_hide_the_one_that_an_agent_can_do(
    workspace: Workspace,
) -> None:
    mine = await workspace.task("Mine")
    await workspace.store.write(lambda tx: many_in_cobol(tx, workspace, 1200))
    agent = await workspace.agent("modern", "developer", "python")
    assert (await agent.call("claim_task"))["task"]["number"] == mine.number


async def many_in_cobol(tx: Tx, workspace: Workspace, how_many: int) -> None:
    """More urgent than any."""
    for n in range(how_many):
        await tasks.create(
            tx,
            workspace.installation.id,
            repository_id=workspace.repository.id,
            issue_id=10_000 + n,
            number=10_000 + n,
            title=f"Old {n}",
            priority=2,
            capabilities=["cobol", "python"],
        )


async def test_a_lease_that_ran_out_is_explained_as_free(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    where = workspace.name(issue)
    await agent.call("claim_task", task=where, lease_s=60)
    workspace.clock.forward(61)  # and nobody reaps
    for each in (agent, other):
        explained = await each.call("explain_task", task=where)
        assert (explained["claimable"], explained["mine"], explained["reasons"]) == (
            True,
            False,
            [],
        )
        assert explained["task"]["holder"] is None
    assert (await other.call("claim_task", task=where))["task"]["holder"] == "other"


async def test_labels_of_an_open_issue_change_its_task(workspace: Workspace) -> None:
    issue = await workspace.task()
    looker = await workspace.agent("looker", "observer")
    for label in ("priority/high", "size:large", "capability:go"):
        workspace.person.add_label(issue, label)
    await workspace.settle()
    task = (await looker.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["priority"], task["size"], task["capabilities"]) == ("high", "large", ["go"])
    workspace.person.remove_label(issue, "capability:go")
    await workspace.settle()
    task = (await looker.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["priority"], task["capabilities"]) == ("high", [])


def test_of_several_labels_the_strongest_counts_and_nonsense_none() -> None:
    assert task_fields(["priority:low", "P0", "Priority: Urgent", "size/xs", "size:l"]) == {
        "priority": 2,
        "size": 2,
    }
    assert task_fields(["priority:soon", "needs:two words", "size", "needs:"]) == {}
    assert changed_task_fields(["priority:high"], ["bug"]) == {}


async def test_a_claim_that_cannot_be_says_all_that_stands_in_the_way(workspace: Workspace) -> None:
    issue, first = await workspace.task("Second"), await workspace.task("First")
    workspace.person.block(issue, first)
    lead, agent = await workspace.agent("lead", "tech-lead"), await workspace.agent("scout")
    await workspace.settle()
    where = workspace.name(issue)
    await lead.call("assign_task", task=where, agent_id="lead")
    await lead.call("change_task", task=where, hold=True, note="wait for the design")
    refused = await agent.refusal("claim_task", task=where)
    assert refused.code == "on_hold"
    assert [each["code"] for each in refused.details["reasons"]] == [
        "on_hold",
        "reserved",
        "blocked",
    ]
    assert "wait for the design" in refused.message
    explained = await agent.call("explain_task", task=where)
    assert explained["claimable"] is False
    assert explained["blocked_by"] == [workspace.name(first)]
    assert [each["code"] for each in explained["reasons"]] == ["on_hold", "reserved", "blocked"]
    assert explained["text"] == (
        f"You cannot claim {where}: lead put it on hold: wait for the design. Also, it is "
        f"reserved for lead. Also, it is blocked by {workspace.name(first)}. "
        "What you can do: ask a tech-lead or a person to end the hold; ask a tech-lead to reserve "
        "it for you, or wait: a reservation ends after a day; wait until the issues that block it "
        "are closed. Tech-leads: lead."
    )
    await lead.call("assign_task", task=where)
    assert (await lead.call("explain_task", task=where))["text"] == (
        f"You cannot claim {where}: lead put it on hold: wait for the design. It also waits for "
        f"{workspace.name(first)}. What you can do: end the hold with change_task and `hold` false."
    )


async def test_what_is_free_is_explained_so_and_what_one_holds_too(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, looker = await workspace.agent("scout"), await workspace.agent("looker", "observer")
    where = workspace.name(issue)
    assert (await agent.call("explain_task", task=where))["claimable"] is True
    codes = [each["code"] for each in (await looker.call("explain_task", task=where))["reasons"]]
    assert codes == ["forbidden"]
    await agent.call("claim_task", task=where)
    mine = await agent.call("explain_task", task=where)
    assert (mine["mine"], mine["text"]) == (True, f"You hold {where}.")
    other = await workspace.agent("other")
    theirs = await other.call("explain_task", task=where)
    assert theirs["reasons"][0]["code"] == "already_claimed"
    assert theirs["text"] == (
        f"You cannot claim {where}: scout holds it, and the lease ends in 15 min unless it is "
        "renewed. What you can do: claim another task with claim_task without `task`, or wait "
        "until this one is released."
    )


async def test_why_answers_a_person_in_a_comment(workspace: Workspace) -> None:
    issue = await workspace.task()
    await (await workspace.agent("scout")).call("claim_task", task=workspace.name(issue))
    workspace.person.comment(issue, "/why")
    await workspace.settle()
    assert any(
        re.search(r"scout holds it, and the lease ends at [-\d]{10} \d\d:\d\d UTC", each.body)
        and "comment `/release`" in each.body
        for each in issue.comments
    )


async def test_the_next_holder_gets_what_the_last_one_left(workspace: Workspace) -> None:
    issue = await workspace.task()
    first, second = await workspace.agent("first"), await workspace.agent("second")
    lead, where = await workspace.agent("lead", "tech-lead"), workspace.name(issue)
    taken = await first.call("claim_task", task=where, paths=["src/api"])
    assert taken["handoff"] is None
    await lead.call("send_message", to="first", body="Mind the limits.", task=where)
    more = {"task": where, "fence": taken["fence"]}
    await first.call("update_task_status", **more, status="in_progress", progress=40)
    await first.call("release_task", **more, note="half of it is in place")
    left = (await second.call("claim_task", task=where))["handoff"]
    assert (left["holder"], left["ended"], left["why"]) == (
        "first",
        "released",
        "released by first",
    )
    assert (left["note"], left["progress"]) == ("half of it is in place", 40)
    assert left["files"] == ["src/api"]
    assert [each["body"] for each in left["messages"]] == ["Mind the limits."]


async def test_a_holder_that_claims_again_with_another_length_gets_it(workspace: Workspace) -> None:
    where, agent = workspace.name(await workspace.task()), await workspace.agent("scout")
    first = await agent.call("claim_task", task=where, lease_s=60)
    again = await agent.call("claim_task", task=where, lease_s=3600)
    assert again["lease_id"] == first["lease_id"]
    await workspace.time_passes(3500)
    assert (await agent.call("get_task", task=where))["task"]["holder"] == "scout"
    # A parked lease does not run. Its new length counts when it goes on.
    mine = {"task": where, "fence": first["fence"]}
    await agent.call("update_task_status", **mine, status="in_review", note="Look at it")
    parked = await agent.call("claim_task", task=where, lease_s=60)
    assert parked["expires_at"] is None
    await workspace.time_passes(3600)
    await agent.call("update_task_status", **mine, status="in_progress")
    await workspace.time_passes(61)
    assert (await agent.call("get_task", task=where))["task"]["holder"] is None


async def test_after_a_death_the_pull_request_and_its_files_are_handed_on(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    dead, heir = await workspace.agent("dead"), await workspace.agent("heir")
    where = workspace.name(issue)
    fence = (await dead.call("claim_task", task=where, lease_s=3600))["fence"]
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    mine = {"task": where, "fence": fence}
    await dead.write("github_create_pr", **mine, head="fix", title="Mend", draft=True)
    await workspace.settle()
    await workspace.time_passes(3601)
    left = (await heir.call("claim_task", task=where))["handoff"]
    assert (left["ended"], left["branch"], left["files"]) == ("expired", "fix", ["a.py"])
    assert left["pull_request"] in workspace.repository.pulls


async def test_who_touches_the_same_paths_is_told_to_both_and_on_both_cards(
    workspace: Workspace,
) -> None:
    one, two, far = [await workspace.task(each) for each in ("One", "Two", "Far")]
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await ada.call("claim_task", task=workspace.name(one), paths=["src/api/**"])
    await (await workspace.agent("cyd")).call(
        "claim_task", task=workspace.name(far), paths=["docs"]
    )
    claimed = await bob.call(
        "claim_task", task=workspace.name(two), paths=["src/api/x.py", "README"]
    )
    (theirs,) = claimed["overlaps"]
    assert (theirs["task"], theirs["holder"]) == (workspace.name(one), "ada")
    (mine,) = (await ada.call("claim_task", task=workspace.name(one)))["overlaps"]
    assert (mine["holder"], mine["paths"]) == ("bob", ["src/api/x.py"])
    told = await workspace.rows(
        "SELECT * FROM events WHERE installation_id = :i AND audience = 'ada'"
    )
    assert [each["kind"] for each in told] == ["task.overlap"]
    await workspace.settle()
    assert "`ada` on #1 touches the same paths" in two.comments[0].body
    assert "`bob` on #2 touches the same paths: `src/api/x.py`" in one.comments[0].body
    assert "touches" not in far.comments[0].body


async def test_an_open_pull_request_on_the_same_paths_is_told(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.push(workspace.repository, "mend", {"src/a.py": "1\n"})
    pull = workspace.person.open_pull(workspace.repository, title="Mend", head="mend")
    await workspace.settle()
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task", task=workspace.name(issue), paths=["src"])
    (theirs,) = claimed["overlaps"]
    assert (theirs["pull_request"], theirs["paths"]) == (pull.number, ["src/a.py"])


async def test_what_is_ready_beside_what_one_asks_for_is_told(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    refused = await agent.refusal("claim_task", label="docs")
    assert (refused.code, "1 ready task does not match your filters" in refused.message) == (
        "nothing_ready",
        True,
    )
    # With a task there is nothing to choose from.
    given = {"task": workspace.name(issue), "label": "docs"}
    assert (await agent.refusal("claim_task", **given)).code == "invalid_arguments"


async def test_who_lost_an_ended_task_is_not_sent_to_claim_it(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    mine = {"task": workspace.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    await agent.call("update_task_status", **mine, status="failed")
    refused = await agent.refusal("update_task_status", **mine, status="completed")
    assert "it is failed" in refused.message
    assert "claim_task" not in refused.message


async def test_a_task_is_named_by_its_address_too(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    for rest in ("", "#issuecomment-1"):
        address = f"https://github.com/acme/rocket/issues/{issue.number}{rest}"
        assert (await agent.call("get_task", task=address))["task"]["task"] == workspace.name(issue)
    refused = await agent.refusal("get_task", task="#3")
    assert (refused.code, "owner/repo#3" in refused.message) == ("unknown_repository", True)


async def test_an_agent_works_on_three_tasks_at_once_and_those_in_review_do_not_count(
    workspace: Workspace,
) -> None:
    names = [workspace.name(await workspace.task(f"Task {n}")) for n in range(4)]
    agent = await workspace.agent("scout")
    claims = [await agent.call("claim_task", task=each) for each in names[:3]]
    refused = await agent.refusal("claim_task")
    assert (refused.code, refused.details) == (
        "too_many",
        {"most": 3, "tasks": names[:3], "quota": "open_claims", "of": "agent", "used": 3},
    )
    assert (await agent.call("claim_task", task=names[0]))["fence"] == claims[0]["fence"]
    report = {"task": names[0], "fence": claims[0]["fence"], "status": "in_review"}
    await agent.call("update_task_status", **report, note="Look at the issue")
    assert (await agent.call("claim_task"))["task"]["task"] == names[3]
    settings: dict[str, str | None] = {".github/hubbub.yml": "max_claims: 4\n"}
    workspace.person.push(workspace.repository, "main", settings)
    await workspace.task("Task 5")
    await agent.call("claim_task")
