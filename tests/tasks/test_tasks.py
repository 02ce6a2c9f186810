import asyncio
from dataclasses import replace

from store.engine.transaction import Tx
from tests.support.story import Town


async def test_a_labelled_issue_becomes_a_task_that_an_agent_claims(town: Town) -> None:
    issue = await town.task("Count down")
    agent = await town.agent("scout")
    claimed = await agent.call("claim_task")
    assert claimed["task"]["task"] == town.name(issue)
    assert (claimed["fence"], claimed["task"]["holder"]) == (1, "scout")
    await town.settle()
    (card,) = issue.comments
    assert "in progress" in card.body
    assert "`scout`" in card.body
    assert card.user.login == "hubbub[bot]"


async def test_an_issue_without_the_label_is_no_task(town: Town) -> None:
    issue = town.person.open_issue(town.repository, "Not for agents")
    await town.settle()
    agent = await town.agent("scout")
    assert (await agent.refused("claim_task")).code == "nothing_ready"
    town.person.add_label(issue, "agent-task")
    await town.settle()
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number


async def test_fifty_agents_race_for_one_task_and_one_wins(town: Town) -> None:
    issue = await town.task()
    agents = [await town.agent(f"racer-{n}") for n in range(50)]

    async def race(n: int) -> str:
        try:
            await agents[n].call("claim_task", task=town.name(issue))
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is compared below
            return getattr(exc, "code", repr(exc))
        return "won"

    outcomes = await asyncio.gather(*(race(n) for n in range(50)))
    assert sorted(outcomes) == ["already_claimed"] * 49 + ["won"]
    live = await town.rows("SELECT id FROM leases WHERE installation_id = :i AND state = 'held'")
    assert len(live) == 1


async def test_claiming_what_one_holds_gives_the_same_lease(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    first = await agent.call("claim_task", task=town.name(issue))
    again = await agent.call("claim_task", task=town.name(issue))
    assert (again["lease_id"], again["fence"]) == (first["lease_id"], first["fence"])


async def test_a_silent_agent_loses_its_lease_and_its_late_report_is_refused(town: Town) -> None:
    issue = await town.task()
    silent, next_one = await town.agent("silent"), await town.agent("next-one")
    lease = await silent.call("claim_task", task=town.name(issue), lease_s=60)
    await town.time_passes(61)
    taken = await next_one.call("claim_task", task=town.name(issue))
    assert taken["fence"] == lease["fence"] + 1
    late = await silent.refused(
        "update_task_status",
        task=town.name(issue),
        status="in_progress",
        progress=90,
        fence=lease["fence"],
    )
    assert (late.code, late.details["holder"]) == ("stale_fence", "next-one")
    assert (await next_one.call("get_task", task=town.name(issue)))["task"]["progress"] == 0


async def test_any_call_of_the_holder_renews_its_lease(town: Town) -> None:
    issue = await town.task()
    agent, other = await town.agent("busy"), await town.agent("other")
    await agent.call("claim_task", task=town.name(issue), lease_s=60)
    for _ in range(5):
        town.clock.forward(40)
        await agent.call("list_tasks")
    assert (await other.refused("claim_task", task=town.name(issue))).code == "already_claimed"


async def test_a_lease_that_ran_out_is_not_revived_by_a_late_call(town: Town) -> None:
    issue = await town.task()
    agent, other = await town.agent("late"), await town.agent("other")
    await agent.call("claim_task", task=town.name(issue), lease_s=60)
    town.clock.forward(61)
    await agent.call("list_tasks")
    assert (await other.call("claim_task", task=town.name(issue)))["task"]["holder"] == "other"


async def test_a_report_with_an_earlier_fence_of_ones_own_changes_nothing(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    old = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    await agent.call("release_task", task=town.name(issue), fence=old, note="half done")
    new = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    refused = await agent.refused(
        "update_task_status", task=town.name(issue), status="completed", fence=old
    )
    assert (refused.code, refused.details["fence"]) == ("stale_fence", new)
    assert (await agent.call("get_task", task=town.name(issue)))["task"]["state"] == "in_progress"


async def test_the_successor_finds_the_note_of_who_gave_the_task_back(town: Town) -> None:
    issue = await town.task()
    first, second = await town.agent("first"), await town.agent("second")
    fence = (await first.call("claim_task", task=town.name(issue)))["fence"]
    await first.call("release_task", task=town.name(issue), fence=fence, note="see branch x")
    claimed = await second.call("claim_task", task=town.name(issue))
    assert claimed["task"]["note"] == "see branch x"


async def test_an_agent_cannot_give_back_what_another_holds(town: Town) -> None:
    issue = await town.task()
    scout, other = await town.agent("scout"), await town.agent("other")
    await scout.call("claim_task", task=town.name(issue))
    assert (await other.refused("release_task", task=town.name(issue))).code == "not_holder"


async def test_a_completed_task_closes_its_issue_and_a_reopened_issue_is_a_task_again(
    town: Town,
) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    await agent.call("update_task_status", task=town.name(issue), status="completed", fence=fence)
    await town.settle()
    assert (issue.state, issue.state_reason) == ("closed", "completed")
    town.person.reopen(issue)
    await town.settle()
    assert (await agent.call("claim_task", task=town.name(issue)))["fence"] == fence + 1


async def test_an_issue_closed_as_not_planned_cancels_its_task_and_ends_the_lease(
    town: Town,
) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    town.person.close(issue, "not_planned")
    await town.settle()
    task = (await agent.call("get_task", task=town.name(issue)))["task"]
    assert (task["state"], task["holder"]) == ("cancelled", None)
    refused = await agent.refused(
        "update_task_status", task=town.name(issue), status="in_review", fence=fence
    )
    assert refused.code == "stale_fence"


async def test_a_task_in_review_keeps_its_lease_however_long_the_review_takes(town: Town) -> None:
    issue = await town.task()
    agent, other = await town.agent("scout"), await town.agent("other")
    fence = (await agent.call("claim_task", task=town.name(issue), lease_s=60))["fence"]
    await agent.call("update_task_status", task=town.name(issue), status="in_review", fence=fence)
    await town.time_passes(3 * 24 * 3600)
    assert (await other.refused("claim_task", task=town.name(issue))).code == "already_claimed"


async def test_a_task_made_by_an_agent_is_one_issue_and_one_task(town: Town) -> None:
    agent = await town.agent("planner")
    made = await agent.call(
        "create_task", repository="acme/rocket", title="Log stages", body="Each one."
    )
    assert made["task"]["number"] is None
    refused = await agent.refused("claim_task", task=made["task"]["id"])
    assert refused.code == "no_issue_yet"
    await town.settle()
    (issue,) = town.repository.issues.values()
    assert [label.name for label in issue.labels] == ["agent-task"]
    (task,) = await town.rows("SELECT id, number FROM tasks WHERE installation_id = :i")
    assert task == {"id": made["task"]["id"], "number": issue.number}
    sent = await agent.call("get_write", write_id=made["write_id"])
    assert (sent["state"], sent["result"]["number"]) == ("sent", issue.number)


async def test_a_task_that_needs_a_capability_goes_to_who_has_it(town: Town) -> None:
    planner = await town.agent("planner")
    await planner.call(
        "create_task", repository="acme/rocket", title="Port it", capabilities=["rust"]
    )
    await town.settle()
    plain, rusty = await town.agent("plain"), await town.agent("rusty", "developer", "rust")
    refused = await plain.refused("claim_task")
    assert (refused.code, refused.details["lacking"]) == ("nothing_ready", ["rust"])
    assert (await rusty.call("claim_task"))["task"]["title"] == "Port it"


async def test_high_priority_goes_first_then_age(town: Town) -> None:
    agent = await town.agent("planner")
    for title, priority in (("old", "medium"), ("new", "medium"), ("urgent", "high")):
        await agent.call("create_task", repository="acme/rocket", title=title, priority=priority)
        town.clock.forward(1)
    await town.settle()
    order = [(await agent.call("claim_task"))["task"]["title"] for _ in range(3)]
    assert order == ["urgent", "old", "new"]


async def test_tasks_are_listed_page_by_page(town: Town) -> None:
    for n in range(5):
        await town.task(f"task {n}")
        town.clock.forward(1)
    agent = await town.agent("reader", "observer")
    titles, cursor = [], None
    while True:
        page = await agent.call("list_tasks", limit=2, cursor=cursor)
        titles += [task["title"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert titles == [f"task {n}" for n in (4, 3, 2, 1, 0)]


async def test_a_renamed_repository_keeps_its_tasks(town: Town) -> None:
    issue = await town.task()
    town.person.rename(town.repository, "spaceship")
    await town.settle()
    agent = await town.agent("scout")
    claimed = await agent.call("claim_task", task=f"acme/spaceship#{issue.number}")
    assert claimed["task"]["task"] == f"acme/spaceship#{issue.number}"
    await town.settle()
    assert "`scout`" in issue.comments[0].body


async def test_the_answer_to_a_call_that_is_sent_twice_is_the_first(town: Town) -> None:
    agent = await town.agent("planner")
    given = {"repository": "acme/rocket", "title": "Once"}
    first = await town.dispatcher.call(agent.actor, "create_task", given, "key-1")
    again = await town.dispatcher.call(agent.actor, "create_task", given, "key-1")
    assert again == first
    await town.settle()
    assert len(town.repository.issues) == 1


async def test_an_installation_sees_nothing_of_another(town: Town) -> None:
    issue = await town.task()
    stranger = await town.agent("stranger")
    elsewhere = replace(stranger, actor=replace(stranger.actor, installation_id=1))
    await elsewhere.call("register_agent", agent_id="stranger", name="Stranger")
    for operation, arguments in (
        ("get_task", {"task": town.name(issue)}),
        ("claim_task", {"task": town.name(issue)}),
        ("create_task", {"repository": "acme/rocket", "title": "x"}),
        ("github_comment_issue", {"issue": town.name(issue), "body": "x"}),
    ):
        refused = await elsewhere.refused(operation, **arguments)
        assert refused.code == "unknown_repository"
    assert (await elsewhere.call("list_tasks"))["tasks"] == []


async def test_a_removed_repository_is_invisible_at_once(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    town.github.remove_repositories(town.installation, ["acme/rocket"])
    await town.settle()
    assert (await agent.refused("get_task", task=town.name(issue))).code == "unknown_repository"
    assert (await agent.call("list_tasks"))["tasks"] == []


async def test_every_answer_says_how_fresh_it_is(town: Town) -> None:
    agent = await town.agent("scout")
    assert (await agent.call("list_tasks"))["stale_s"] == 0

    async def behind(tx: Tx) -> None:
        await tx.run(
            "UPDATE deliveries SET state = 'received', received_at = :at, not_before = :later "
            "WHERE installation_id = :i",
            at=town.clock() - 90_000_000,
            later=town.clock() + 90_000_000,
            i=town.installation.id,
        )

    await town.store.write(behind)
    assert round((await agent.call("list_tasks"))["stale_s"]) == 90
