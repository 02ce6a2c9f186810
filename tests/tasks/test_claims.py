"""Which task a claim gives, and why another one cannot be had."""

import re

import pytest

from bot.tasks.task_labels import changed_task_fields, task_fields
from store.engine.transaction import Tx
from store.tasks import tasks
from tests.support.story import Town


async def offered(town: Town, **wanted: str) -> int:
    """The number of the issue that a newcomer gets, who gives it back."""
    agent = await town.agent("taster", "developer", "python", "rust:3")
    claimed = await agent.call("claim_task", **wanted)
    where, fence = claimed["task"]["task"], claimed["fence"]
    await agent.call("release_task", task=where, fence=fence)
    return int(claimed["task"]["number"])


async def test_the_most_urgent_then_the_least_failed_then_the_oldest_is_offered(town: Town) -> None:
    oldest, failed, urgent = [await town.task(each) for each in ("Oldest", "Failed", "Urgent")]
    town.person.add_label(urgent, "priority:high")
    await town.settle()
    assert await offered(town) == urgent.number
    town.person.close(urgent)
    town.person.close(oldest)
    clumsy = await town.agent("clumsy")
    await town.settle()
    assert (await clumsy.call("claim_task", lease_s=60))["task"]["number"] == failed.number
    await town.time_passes(61)
    newest = await town.task("Newest")
    assert await offered(town) == newest.number


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
    town: Town, wanted: dict[str, str], title: str
) -> None:
    made = {"Plain": [], "Labelled": ["docs"], "Small": ["size: S"], "Rusty": ["needs:rust:2"]}
    for name, labels in made.items():
        town.person.open_issue(town.repository, name, labels=["agent-task", *labels])
    await town.settle()
    number = await offered(town, **wanted)
    assert town.repository.issues[number].title == title


async def test_a_task_beyond_an_agents_level_is_not_offered_and_not_given(town: Town) -> None:
    issue = town.person.open_issue(town.repository, "Hard", labels=["agent-task", "needs:rust:4"])
    await town.settle()
    agent = await town.agent("junior", "developer", "rust:3")
    refused = await agent.refused("claim_task")
    assert (refused.code, refused.details["lacking"]) == ("nothing_ready", ["rust:4"])
    refused = await agent.refused("claim_task", task=town.name(issue))
    assert refused.code == "lacks_capability"
    await agent.call("update_agent", capabilities=["rust:5"])
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number


async def test_many_tasks_for_others_do_not_hide_the_one_that_an_agent_can_do(town: Town) -> None:
    mine = await town.task("Mine")
    await town.store.write(lambda tx: many_in_cobol(tx, town, 1200))
    agent = await town.agent("modern", "developer", "python")
    assert (await agent.call("claim_task"))["task"]["number"] == mine.number


async def many_in_cobol(tx: Tx, town: Town, how_many: int) -> None:
    """More urgent than any."""
    for n in range(how_many):
        await tasks.create(
            tx,
            town.installation.id,
            repository_id=town.repository.id,
            issue_id=10_000 + n,
            number=10_000 + n,
            title=f"Old {n}",
            priority=2,
            capabilities=["cobol", "python"],
        )


async def test_a_lease_that_ran_out_is_explained_as_free(town: Town) -> None:
    issue = await town.task()
    agent, other = await town.agent("scout"), await town.agent("other")
    where = town.name(issue)
    await agent.call("claim_task", task=where, lease_s=60)
    town.clock.forward(61)  # and nobody reaps
    for each in (agent, other):
        explained = await each.call("explain_task", task=where)
        assert (explained["claimable"], explained["mine"], explained["reasons"]) == (
            True,
            False,
            [],
        )
        assert explained["task"]["holder"] is None
    assert (await other.call("claim_task", task=where))["task"]["holder"] == "other"


async def test_labels_of_an_open_issue_change_its_task(town: Town) -> None:
    issue = await town.task()
    looker = await town.agent("looker", "observer")
    for label in ("priority/high", "size:large", "capability:go"):
        town.person.add_label(issue, label)
    await town.settle()
    task = (await looker.call("get_task", task=town.name(issue)))["task"]
    assert (task["priority"], task["size"], task["capabilities"]) == ("high", "large", ["go"])
    town.person.remove_label(issue, "capability:go")
    await town.settle()
    task = (await looker.call("get_task", task=town.name(issue)))["task"]
    assert (task["priority"], task["capabilities"]) == ("high", [])


def test_of_several_labels_the_strongest_counts_and_nonsense_none() -> None:
    assert task_fields(["priority:low", "P0", "Priority: Urgent", "size/xs", "size:l"]) == {
        "priority": 2,
        "size": 2,
    }
    assert task_fields(["priority:soon", "needs:two words", "size", "needs:"]) == {}
    assert changed_task_fields(["priority:high"], ["bug"]) == {}


async def test_a_claim_that_cannot_be_says_all_that_stands_in_the_way(town: Town) -> None:
    issue, first = await town.task("Second"), await town.task("First")
    town.person.block(issue, first)
    lead, agent = await town.agent("lead", "tech-lead"), await town.agent("scout")
    await town.settle()
    where = town.name(issue)
    await lead.call("assign_task", task=where, agent_id="lead")
    await lead.call("change_task", task=where, hold=True, note="wait for the design")
    refused = await agent.refused("claim_task", task=where)
    assert refused.code == "on_hold"
    assert [each["code"] for each in refused.details["reasons"]] == [
        "on_hold",
        "reserved",
        "blocked",
    ]
    assert "wait for the design" in refused.message
    explained = await agent.call("explain_task", task=where)
    assert explained["claimable"] is False
    assert explained["blocked_by"] == [town.name(first)]
    assert [each["code"] for each in explained["reasons"]] == ["on_hold", "reserved", "blocked"]
    assert explained["text"] == (
        f"You cannot claim {where}: lead put it on hold: wait for the design. Also, it is reserved "
        f"for lead. Also, it is blocked by {town.name(first)}. What you can do: end the hold with "
        "change_task and `hold` false, or with /resume; reserve it for another agent with "
        "assign_task or /assign, or wait: a reservation ends after a day; wait until the issues "
        "that block it are closed."
    )


async def test_what_is_free_is_explained_so_and_what_one_holds_too(town: Town) -> None:
    issue = await town.task()
    agent, looker = await town.agent("scout"), await town.agent("looker", "observer")
    where = town.name(issue)
    assert (await agent.call("explain_task", task=where))["claimable"] is True
    codes = [each["code"] for each in (await looker.call("explain_task", task=where))["reasons"]]
    assert codes == ["forbidden"]
    await agent.call("claim_task", task=where)
    mine = await agent.call("explain_task", task=where)
    assert (mine["mine"], mine["text"]) == (True, f"You hold {where}.")
    other = await town.agent("other")
    theirs = await other.call("explain_task", task=where)
    assert theirs["reasons"][0]["code"] == "already_claimed"
    assert theirs["text"] == (
        f"You cannot claim {where}: scout holds it, and the lease ends in 15 min unless it is "
        "renewed. What you can do: claim another task with claim_task without `task`, or wait "
        "until this one is released."
    )


async def test_why_answers_a_person_in_a_comment(town: Town) -> None:
    issue = await town.task()
    await (await town.agent("scout")).call("claim_task", task=town.name(issue))
    town.person.comment(issue, "/why")
    await town.settle()
    assert any(
        re.search(r"scout holds it, and the lease ends at [-\d]{10} \d\d:\d\d UTC", each.body)
        and "comment `/release`" in each.body
        for each in issue.comments
    )


async def test_the_next_holder_gets_what_the_last_one_left(town: Town) -> None:
    issue = await town.task()
    first, second = await town.agent("first"), await town.agent("second")
    lead, where = await town.agent("lead", "tech-lead"), town.name(issue)
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


async def test_after_a_death_the_pull_request_and_its_files_are_handed_on(town: Town) -> None:
    issue = await town.task()
    dead, heir = await town.agent("dead"), await town.agent("heir")
    where = town.name(issue)
    fence = (await dead.call("claim_task", task=where, lease_s=3600))["fence"]
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await dead.call("github_create_pr", task=where, fence=fence, head="fix", title="Mend")
    await town.settle()
    await town.time_passes(3601)
    left = (await heir.call("claim_task", task=where))["handoff"]
    assert (left["ended"], left["branch"], left["files"]) == ("expired", "fix", ["a.py"])
    assert left["pull_request"] in town.repository.pulls


async def test_who_touches_the_same_paths_is_told_to_both_and_on_both_cards(town: Town) -> None:
    one, two, far = [await town.task(each) for each in ("One", "Two", "Far")]
    ada, bob = await town.agent("ada"), await town.agent("bob")
    await ada.call("claim_task", task=town.name(one), paths=["src/api/**"])
    await (await town.agent("cyd")).call("claim_task", task=town.name(far), paths=["docs"])
    claimed = await bob.call("claim_task", task=town.name(two), paths=["src/api/x.py", "README"])
    (theirs,) = claimed["overlaps"]
    assert (theirs["task"], theirs["holder"]) == (town.name(one), "ada")
    (mine,) = (await ada.call("claim_task", task=town.name(one)))["overlaps"]
    assert (mine["holder"], mine["paths"]) == ("bob", ["src/api/x.py"])
    told = await town.rows("SELECT * FROM events WHERE installation_id = :i AND audience = 'ada'")
    assert [each["kind"] for each in told] == ["task.overlap"]
    await town.settle()
    assert "`ada` on #1 touches the same paths" in two.comments[0].body
    assert "`bob` on #2 touches the same paths: `src/api/x.py`" in one.comments[0].body
    assert "touches" not in far.comments[0].body


async def test_an_open_pull_request_on_the_same_paths_is_told(town: Town) -> None:
    issue = await town.task()
    town.person.push(town.repository, "mend", {"src/a.py": "1\n"})
    pull = town.person.open_pull(town.repository, title="Mend", head="mend")
    await town.settle()
    agent = await town.agent("scout")
    claimed = await agent.call("claim_task", task=town.name(issue), paths=["src"])
    (theirs,) = claimed["overlaps"]
    assert (theirs["pull_request"], theirs["paths"]) == (pull.number, ["src/a.py"])


async def test_what_is_ready_beside_what_one_asks_for_is_told(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    refused = await agent.refused("claim_task", label="docs")
    assert (refused.code, "1 ready task does not match your filters" in refused.message) == (
        "nothing_ready",
        True,
    )
    # With a task there is nothing to choose from.
    given = {"task": town.name(issue), "label": "docs"}
    assert (await agent.refused("claim_task", **given)).code == "invalid_arguments"


async def test_who_lost_an_ended_task_is_not_sent_to_claim_it(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    mine = {"task": town.name(issue)}
    mine |= {"fence": (await agent.call("claim_task", **mine))["fence"]}
    await agent.call("update_task_status", **mine, status="failed")
    refused = await agent.refused("update_task_status", **mine, status="completed")
    assert "it is failed" in refused.message
    assert "claim_task" not in refused.message


async def test_a_task_is_named_by_its_address_too(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    for rest in ("", "#issuecomment-1"):
        address = f"https://github.com/acme/rocket/issues/{issue.number}{rest}"
        assert (await agent.call("get_task", task=address))["task"]["task"] == town.name(issue)
    refused = await agent.refused("get_task", task="#3")
    assert (refused.code, "owner/repo#3" in refused.message) == ("unknown_repository", True)
