"""What list_tasks lists, to whom, and what it says of each task."""

from bot.identity.actors import Actor
from tests.support.story import Agent, Workspace

R = "acme/rocket"
STATES = ("open", "blocked", "pending", "ready")


async def test_what_waits_for_others_is_listed_as_blocked_and_says_by_what(
    workspace: Workspace,
) -> None:
    dev = await workspace.agent("dev")
    keel, sail, ship = [await workspace.task(each) for each in ("Keel", "Sail", "Ship")]
    workspace.person.block(sail, keel)
    workspace.person.add_sub_issue(ship, sail)
    await workspace.settle()
    listed = {state: (await dev.call("list_tasks", state=state))["tasks"] for state in STATES}
    names = {state: [each["title"] for each in rows] for state, rows in listed.items()}
    assert names == {
        "open": ["Ship", "Sail", "Keel"],
        "blocked": ["Ship", "Sail"],
        "pending": ["Keel"],
        "ready": ["Keel"],
    }
    shown = [(each["state"], each.get("blocked_by", [])) for each in listed["open"]]
    assert shown == [
        ("blocked", [workspace.name(sail)]),
        ("blocked", [workspace.name(keel)]),
        ("pending", []),
    ]
    for operation in ("get_task", "explain_task"):
        one = (await dev.call(operation, task=workspace.name(sail)))["task"]
        assert (one["state"], one["blocked_by"]) == ("blocked", [workspace.name(keel)])


async def test_a_list_names_no_blocker_that_the_caller_may_not_see(workspace: Workspace) -> None:
    other = workspace.github.repository("acme/secret", private=True)
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    owner = workspace.github.person(
        "owner", permissions={"acme/secret": "admin", "acme/rocket": "admin"}
    )
    hidden = owner.open_issue(other, "Secret")
    sail = await workspace.task("Sail")
    owner.block(sail, hidden)
    await workspace.settle()
    here = Actor(
        workspace.installation.id, "dev", "developer", frozenset({workspace.repository.id})
    )
    (one,) = (await Agent(workspace.dispatcher, here).call("list_tasks"))["tasks"]
    assert (one["state"], one["blocked_by"]) == ("blocked", ["an issue out of reach"])


async def test_ready_lists_to_a_developer_what_it_can_claim_and_to_a_lead_who_can(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    dev, gopher = await workspace.agent("dev"), await workspace.agent("gopher", "developer", "go")
    await workspace.agent("watcher", "observer", "rust")
    for title, needs in (("Any", []), ("Go", ["go"]), ("Rust", ["rust"]), ("Mine", [])):
        await lead.call("create_task", repository=R, title=title, capabilities=needs)
    await workspace.settle()
    await lead.call("assign_task", task=f"{R}#4", agent_id="dev")
    found = {}
    for agent in (dev, gopher, lead):
        rows = (await agent.call("list_tasks", state="ready"))["tasks"]
        found[agent.actor.name] = [(each["title"], each.get("ready_for")) for each in rows]
    assert found == {
        "dev": [("Any", None), ("Mine", None)],
        "gopher": [("Any", None), ("Go", None)],
        "lead": [
            ("Any", None),
            ("Go", "gopher"),
            ("Rust", "nobody: no agent has rust"),
            ("Mine", "dev"),
        ],
    }


async def test_an_agent_that_can_claim_nothing_now_is_told_so_with_what_is_ready(
    workspace: Workspace,
) -> None:
    lead, dev = await workspace.agent("lead", "tech-lead"), await workspace.agent("dev")
    await workspace.task()
    assert (await dev.call("list_tasks", state="ready")).get("hint") is None
    await lead.call("manage_agent", agent_id="dev", action="pause")
    assert "paused" in (await dev.call("list_tasks", state="ready"))["hint"]


async def test_an_agent_at_its_limit_of_open_claims_is_told_so_with_what_is_ready(
    workspace: Workspace,
) -> None:
    dev = await workspace.agent("dev")
    for _ in range(4):
        await workspace.task()
    for _ in range(3):
        assert (await dev.call("list_tasks", state="ready")).get("hint") is None
        await dev.call("claim_task")
    assert "the limit is 3 at once" in (await dev.call("list_tasks", state="ready"))["hint"]


async def test_who_completed_a_task_still_finds_it_by_its_name(workspace: Workspace) -> None:
    dev = await workspace.agent("dev")
    done, given_back = await workspace.task("Done"), await workspace.task("Given back")
    for issue in (done, given_back):
        await dev.call("claim_task", task=workspace.name(issue))
    await dev.call("update_task_status", task=workspace.name(done), status="completed", fence=1)
    await dev.call("release_task", task=workspace.name(given_back), fence=1)
    (found,) = (await dev.call("list_tasks", holder="dev", state="any"))["tasks"]
    assert (found["title"], found["last_holder"], found["holder"]) == ("Done", "dev", None)
    assert (await dev.call("list_tasks", holder="dev"))["tasks"] == []


async def test_a_list_cuts_long_texts_and_a_line_has_only_what_says_which_task_to_look_at(
    workspace: Workspace,
) -> None:
    """get_task has the whole texts."""
    issue, scout = await workspace.task("Mend " + "the pump " * 20), await workspace.agent("scout")
    where = workspace.name(issue)
    fence = (await scout.call("claim_task", task=where))["fence"]
    report = {"task": where, "fence": fence, "status": "in_progress", "note": "n" * 900}
    await scout.call("update_task_status", **report)
    (line,) = (await scout.call("list_tasks"))["tasks"]
    assert (line["task"], len(line["title"]), line["holder"]) == (where, 80, "scout")
    assert "note" not in line
    (whole,) = (await scout.call("list_tasks", detail="full"))["tasks"]
    assert (len(whole["title"]), len(whole["note"])) == (len(issue.title), 200)
    assert len((await scout.call("get_task", task=where))["task"]["note"]) == 900
