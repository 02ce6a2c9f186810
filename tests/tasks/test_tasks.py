import asyncio
from dataclasses import replace

from store.engine.transaction import Tx
from tests.support.story import Workspace


async def test_a_labelled_issue_becomes_a_task_that_an_agent_claims(workspace: Workspace) -> None:
    issue = await workspace.task("Count down")
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task")
    assert claimed["task"]["task"] == workspace.name(issue)
    assert (claimed["fence"], claimed["task"]["holder"]) == (1, "scout")
    await workspace.settle()
    (card,) = issue.comments
    assert "in progress" in card.body
    assert "`scout`" in card.body
    assert card.user.login == "hubbub[bot]"


async def test_an_issue_without_the_label_is_no_task(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "Not for agents")
    await workspace.settle()
    agent = await workspace.agent("scout")
    assert (await agent.refusal("claim_task")).code == "nothing_ready"
    workspace.person.add_label(issue, "agent-task")
    await workspace.settle()
    assert (await agent.call("claim_task"))["task"]["number"] == issue.number


async def test_fifty_agents_race_for_one_task_and_one_wins(workspace: Workspace) -> None:
    issue = await workspace.task()
    agents = [await workspace.agent(f"racer-{n}") for n in range(50)]

    async def race(n: int) -> str:
        try:
            await agents[n].call("claim_task", task=workspace.name(issue))
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is compared below
            return getattr(exc, "code", repr(exc))
        return "won"

    outcomes = await asyncio.gather(*(race(n) for n in range(50)))
    assert sorted(outcomes) == ["already_claimed"] * 49 + ["won"]
    live = await workspace.rows(
        "SELECT id FROM leases WHERE installation_id = :i AND state = 'held'"
    )
    assert len(live) == 1


async def test_claiming_what_one_holds_gives_the_same_lease(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    first = await agent.call("claim_task", task=workspace.name(issue))
    again = await agent.call("claim_task", task=workspace.name(issue))
    assert (again["lease_id"], again["fence"]) == (first["lease_id"], first["fence"])


async def test_a_silent_agent_loses_its_lease_and_its_late_report_is_refused(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    silent, next_one = await workspace.agent("silent"), await workspace.agent("next-one")
    lease = await silent.call("claim_task", task=workspace.name(issue), lease_s=60)
    await workspace.time_passes(61)
    taken = await next_one.call("claim_task", task=workspace.name(issue))
    assert taken["fence"] == lease["fence"] + 1
    late = await silent.refusal(
        "update_task_status",
        task=workspace.name(issue),
        status="in_progress",
        progress=90,
        fence=lease["fence"],
    )
    assert (late.code, late.details["holder"]) == ("stale_fence", "next-one")
    assert (await next_one.call("get_task", task=workspace.name(issue)))["task"]["progress"] == 0


async def test_any_call_of_the_holder_renews_its_lease(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("busy"), await workspace.agent("other")
    await agent.call("claim_task", task=workspace.name(issue), lease_s=60)
    for _ in range(5):
        workspace.clock.forward(40)
        await agent.call("list_tasks")
    assert (await other.refusal("claim_task", task=workspace.name(issue))).code == "already_claimed"


async def test_a_lease_that_ran_out_is_not_revived_by_a_late_call(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("late"), await workspace.agent("other")
    await agent.call("claim_task", task=workspace.name(issue), lease_s=60)
    workspace.clock.forward(61)
    await agent.call("list_tasks")
    assert (await other.call("claim_task", task=workspace.name(issue)))["task"]["holder"] == "other"


async def test_a_report_with_an_earlier_fence_of_ones_own_changes_nothing(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    old = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await agent.call("release_task", task=workspace.name(issue), fence=old, note="half done")
    new = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    refused = await agent.refusal(
        "update_task_status", task=workspace.name(issue), status="completed", fence=old
    )
    assert (refused.code, refused.details["fence"]) == ("stale_fence", new)
    assert f"your lease on {workspace.name(issue)} has fence {new}" in refused.message
    assert (await agent.call("get_task", task=workspace.name(issue)))["task"][
        "state"
    ] == "in_progress"


async def test_the_successor_finds_the_note_of_who_gave_the_task_back(workspace: Workspace) -> None:
    issue = await workspace.task()
    first, second = await workspace.agent("first"), await workspace.agent("second")
    fence = (await first.call("claim_task", task=workspace.name(issue)))["fence"]
    await first.call("release_task", task=workspace.name(issue), fence=fence, note="see branch x")
    claimed = await second.call("claim_task", task=workspace.name(issue))
    assert claimed["task"]["note"] == "see branch x"


async def test_an_agent_cannot_give_back_what_another_holds(workspace: Workspace) -> None:
    issue = await workspace.task()
    scout, other = await workspace.agent("scout"), await workspace.agent("other")
    await scout.call("claim_task", task=workspace.name(issue))
    assert (await other.refusal("release_task", task=workspace.name(issue))).code == "not_holder"


async def test_a_completed_task_closes_its_issue_and_a_reopened_issue_is_a_task_again(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await agent.call(
        "update_task_status", task=workspace.name(issue), status="completed", fence=fence
    )
    await workspace.settle()
    assert (issue.state, issue.state_reason) == ("closed", "completed")
    workspace.person.reopen(issue)
    await workspace.settle()
    assert (await agent.call("claim_task", task=workspace.name(issue)))["fence"] == fence + 1


async def test_an_issue_closed_as_not_planned_cancels_its_task_and_ends_the_lease(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    workspace.person.close(issue, "not_planned")
    await workspace.settle()
    task = (await agent.call("get_task", task=workspace.name(issue)))["task"]
    assert (task["state"], task["holder"]) == ("cancelled", None)
    refused = await agent.refusal(
        "update_task_status", task=workspace.name(issue), status="in_review", fence=fence
    )
    assert refused.code == "stale_fence"


async def test_a_task_in_review_keeps_its_lease_however_long_the_review_takes(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent, other = await workspace.agent("scout"), await workspace.agent("other")
    fence = (await agent.call("claim_task", task=workspace.name(issue), lease_s=60))["fence"]
    report = {"task": workspace.name(issue), "status": "in_review", "note": "Look at the plan"}
    await agent.call("update_task_status", **report, fence=fence)
    await workspace.time_passes(3 * 24 * 3600)
    assert (await other.refusal("claim_task", task=workspace.name(issue))).code == "already_claimed"


async def test_a_task_made_by_an_agent_is_one_issue_and_one_task(workspace: Workspace) -> None:
    agent = await workspace.agent("planner")
    made = await agent.call(
        "create_task", repository="acme/rocket", title="Log stages", body="Each one."
    )
    assert made["task"]["number"] is None
    refused = await agent.refusal("claim_task", task=made["task"]["id"])
    assert refused.code == "no_issue_yet"
    await workspace.settle()
    (issue,) = workspace.repository.issues.values()
    assert [label.name for label in issue.labels] == ["agent-task"]
    (task,) = await workspace.rows("SELECT id, number FROM tasks WHERE installation_id = :i")
    assert task == {"id": made["task"]["id"], "number": issue.number}
    sent = await agent.write("get_write", write_id=made["writes"][0]["write_id"])
    assert (sent["state"], sent["result"]["number"]) == ("sent", issue.number)


async def test_a_task_that_needs_a_capability_goes_to_who_has_it(workspace: Workspace) -> None:
    planner = await workspace.agent("planner")
    await planner.call(
        "create_task", repository="acme/rocket", title="Port it", capabilities=["rust"]
    )
    await workspace.settle()
    plain, rusty = (
        await workspace.agent("plain"),
        await workspace.agent("rusty", "developer", "rust"),
    )
    refused = await plain.refusal("claim_task")
    assert (refused.code, refused.details["lacking"]) == ("nothing_ready", ["rust"])
    assert (await rusty.call("claim_task"))["task"]["title"] == "Port it"


async def test_high_priority_goes_first_then_age(workspace: Workspace) -> None:
    agent = await workspace.agent("planner")
    for title, priority in (("old", "medium"), ("new", "medium"), ("urgent", "high")):
        await agent.call("create_task", repository="acme/rocket", title=title, priority=priority)
        workspace.clock.forward(1)
    await workspace.settle()
    order = [(await agent.call("claim_task"))["task"]["title"] for _ in range(3)]
    assert order == ["urgent", "old", "new"]


async def test_tasks_are_listed_page_by_page(workspace: Workspace) -> None:
    for n in range(5):
        await workspace.task(f"task {n}")
        workspace.clock.forward(1)
    agent = await workspace.agent("reader", "observer")
    titles, cursor = [], None
    while True:
        page = await agent.call("list_tasks", limit=2, cursor=cursor)
        titles += [task["title"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert titles == [f"task {n}" for n in (4, 3, 2, 1, 0)]


async def test_a_renamed_repository_keeps_its_tasks(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.rename(workspace.repository, "spaceship")
    await workspace.settle()
    agent = await workspace.agent("scout")
    claimed = await agent.call("claim_task", task=f"acme/spaceship#{issue.number}")
    assert claimed["task"]["task"] == f"acme/spaceship#{issue.number}"
    await workspace.settle()
    assert "`scout`" in issue.comments[0].body


async def test_the_answer_to_a_call_that_is_sent_twice_is_the_first(workspace: Workspace) -> None:
    agent = await workspace.agent("planner")
    given = {"repository": "acme/rocket", "title": "Once"}
    first = await workspace.dispatcher.call(agent.actor, "create_task", given, "key-1")
    again = await workspace.dispatcher.call(agent.actor, "create_task", given, "key-1")
    assert again == first
    await workspace.settle()
    assert len(workspace.repository.issues) == 1


async def test_an_installation_sees_nothing_of_another(workspace: Workspace) -> None:
    issue = await workspace.task()
    stranger = await workspace.agent("stranger")
    elsewhere = replace(stranger, actor=replace(stranger.actor, installation_id=1))
    await elsewhere.call("register_agent", agent_id="stranger", name="Stranger")
    for operation, arguments in (
        ("get_task", {"task": workspace.name(issue)}),
        ("claim_task", {"task": workspace.name(issue)}),
        ("create_task", {"repository": "acme/rocket", "title": "x"}),
        ("github_comment_issue", {"issue": workspace.name(issue), "body": "x"}),
    ):
        refused = await elsewhere.refusal(operation, **arguments)
        assert refused.code == "unknown_repository"
    assert (await elsewhere.call("list_tasks"))["tasks"] == []


async def test_a_removed_repository_is_invisible_at_once(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    assert (
        await agent.refusal("get_task", task=workspace.name(issue))
    ).code == "unknown_repository"
    assert (await agent.call("list_tasks"))["tasks"] == []


async def test_every_answer_says_how_fresh_it_is(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    assert (await agent.call("list_tasks"))["stale_s"] == 0

    async def behind(tx: Tx) -> None:
        await tx.run(
            "UPDATE deliveries SET state = 'received', received_at = :at, not_before = :later "
            "WHERE installation_id = :i",
            at=workspace.clock() - 90_000_000,
            later=workspace.clock() + 90_000_000,
            i=workspace.installation.id,
        )

    await workspace.store.write(behind)
    assert round((await agent.call("list_tasks"))["stale_s"]) == 90
