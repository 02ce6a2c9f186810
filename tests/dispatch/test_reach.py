"""What a token that is bound to some repositories sees and changes. See also test_isolation."""

from dataclasses import replace

from fixtures.github import Issue, Repository
from tests.support.story import Agent, Workspace


def add_repository(workspace: Workspace, name: str = "acme/secret") -> Repository:
    made = workspace.github.repository(name, private=True)
    workspace.github.add_repositories(workspace.installation, [name])
    workspace.github.set_permission(name, "octocat", "admin")
    return made


async def secret_task(workspace: Workspace, where: Repository, title: str = "Dig") -> Issue:
    issue = workspace.person.open_issue(where, title, "", labels=["agent-task"])
    await workspace.settle()
    return issue


def bound(agent: Agent, workspace: Workspace) -> Agent:
    """The agent with a token for the workspace's first repository alone."""
    reach = frozenset({workspace.repository.id})
    return Agent(agent.dispatcher, replace(agent.actor, repositories=reach))


async def test_a_claim_gets_a_task_within_reach_or_none(workspace: Workspace) -> None:
    whole = await workspace.agent("ada")
    await secret_task(workspace, add_repository(workspace))
    ada = bound(whole, workspace)
    refused = await ada.refusal("claim_task", label="agent-task")
    assert refused.code == "nothing_ready"
    assert "does not match your filters" not in refused.message
    mine = await workspace.task("Mend it")
    assert (await ada.call("claim_task"))["task"]["task"] == workspace.name(mine)


async def test_a_list_of_tasks_has_those_within_reach(workspace: Workspace) -> None:
    whole = await workspace.agent("ada", "observer")
    await secret_task(workspace, add_repository(workspace))
    mine = await workspace.task("Mend it")
    ada = bound(whole, workspace)
    for state in ("open", "ready", "any"):
        listed = await ada.call("list_tasks", state=state)
        assert [each["task"] for each in listed["tasks"]] == [workspace.name(mine)]


async def test_a_key_never_returns_the_answer_to_another_token_of_the_agent(
    workspace: Workspace,
) -> None:
    whole = await workspace.agent("ada")
    where = add_repository(workspace)
    await workspace.settle()
    call = {"repository": where.full_name, "title": "Dig here", "key": "once"}
    await whole.call("create_task", **call)
    refused = await bound(whole, workspace).refusal("create_task", **call)
    assert refused.code == "unknown_repository"


async def test_a_call_renews_the_leases_within_reach(workspace: Workspace) -> None:
    whole = await workspace.agent("ada")
    there = await secret_task(workspace, add_repository(workspace))
    here = await workspace.task("Mend it")
    await whole.call("claim_task", task=f"acme/secret#{there.number}")
    await whole.call("claim_task", task=workspace.name(here))
    workspace.clock.forward(60)
    ends = "SELECT t.number, t.repository_id, l.expires_at AS at FROM leases l JOIN tasks t "
    ends += "ON t.installation_id = l.installation_id AND t.id = l.task_id "
    ends += "WHERE l.installation_id = :i"
    before = {row["repository_id"]: row["at"] for row in await workspace.rows(ends)}
    await bound(whole, workspace).call("list_agents")
    after = {row["repository_id"]: row["at"] for row in await workspace.rows(ends)}
    changed = {each for each in before if after[each] != before[each]}
    assert changed == {workspace.repository.id}


async def test_an_agent_with_work_out_of_reach_is_neither_paused_nor_unregistered(
    workspace: Workspace,
) -> None:
    whole = await workspace.agent("ada")
    there = await secret_task(workspace, add_repository(workspace))
    ada, name = bound(whole, workspace), f"acme/secret#{there.number}"
    fence = (await whole.call("claim_task", task=name))["fence"]
    for action in ("pause", "unregister"):
        refused = await ada.refusal("manage_agent", agent_id="ada", action=action)
        assert refused.code == "forbidden"
        assert "secret" not in refused.message
    await whole.call("release_task", task=name, fence=fence)
    await workspace.settle()
    done = await ada.call("manage_agent", agent_id="ada", action="pause")
    assert done["agents"] == ["ada"]


async def test_a_bound_tech_lead_manages_no_other_agents(workspace: Workspace) -> None:
    lead, other = await workspace.agent("lead", "tech-lead"), await workspace.agent("ada")
    refused = await bound(lead, workspace).refusal("manage_agent", agent_id="ada", action="pause")
    assert refused.code == "forbidden"
    assert (await other.call("get_agent", agent_id="ada"))["agent"]["status"] == "active"


async def test_a_message_reaches_its_reader_without_the_name_of_a_task_out_of_reach(
    workspace: Workspace,
) -> None:
    whole, bob = await workspace.agent("ada"), await workspace.agent("bob")
    there = await secret_task(workspace, add_repository(workspace))
    ada = bound(whole, workspace)
    at = (await ada.call("wait_for_events", topics=["messages"]))["cursor"]
    await bob.call("send_message", to="ada", body="Look", task=f"acme/secret#{there.number}")
    (event,) = (await ada.call("wait_for_events", topics=["messages"], cursor=at))["events"]
    assert event["data"]["task"] is None
    (message,) = (await ada.call("get_messages"))["messages"]
    assert (message["body"], message["task"]) == ("Look", None)


async def test_a_bound_tech_lead_lists_no_dead_letters_of_others(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    bob, _ = await workspace.agent("bob"), await workspace.agent("eve")
    await bob.call("send_message", to="eve", body="The secret", ttl_s=60)
    await workspace.time_passes(120)
    assert (await lead.call("get_messages", state="dead"))["messages"]
    assert not (await bound(lead, workspace).call("get_messages", state="dead"))["messages"]


async def test_a_failed_write_out_of_reach_is_no_notice_and_no_old_one(
    workspace: Workspace,
) -> None:
    whole = await workspace.agent("ada")
    there = await secret_task(workspace, add_repository(workspace))
    ada = bound(whole, workspace)
    workspace.github.fault("POST", "/comments$", "422", times=9)
    issue = f"acme/secret#{there.number}"
    write = await whole.write("github_comment_issue", issue=issue, body="Dig deeper here")
    await workspace.settle()
    assert (await ada.call("list_agents"))["notices"] == []
    (notice,) = (await whole.call("list_agents"))["notices"]
    assert notice["kind"] == "write_failed"
    await whole.call("list_tasks")  # it has the notice now
    old = await ada.call("get_messages", state="notices")
    assert (old["past_notices"], old["notices"]) == ([], [])
    assert (await whole.call("get_messages", state="notices"))["past_notices"]
    assert (await ada.refusal("get_write", write_id=write["write_id"])).code == "unknown_write"


async def test_what_the_mirror_lacks_of_other_repositories_does_not_count(
    workspace: Workspace,
) -> None:
    whole = await workspace.agent("ada")
    where = add_repository(workspace)
    await workspace.settle()
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = 'dead', repository_id = :r WHERE installation_id = :i",
            r=where.id,
            i=workspace.installation.id,
        )
    )
    assert (await whole.call("list_tasks"))["behind"]
    assert (await bound(whole, workspace).call("list_tasks"))["behind"] == []


async def test_a_grant_to_the_holder_of_a_task_out_of_reach_does_not_name_it(
    workspace: Workspace,
) -> None:
    whole, _ = await workspace.agent("ada"), await workspace.agent("bob")
    there = await secret_task(workspace, add_repository(workspace))
    mine = await workspace.task("Mend it")
    made = await whole.call(
        "create_context", name="notes", content="Look", task=workspace.name(mine)
    )
    which = made["context"]["id"]
    there_too = f"task:acme/secret#{there.number}"
    await whole.call("share_context", context_id=which, to=there_too, access="read")
    shared = await bound(whole, workspace).call(
        "share_context", context_id=which, to="bob", access="read"
    )
    assert {"to": "task:an issue out of reach", "access": "read"} in shared["grants"]
    assert "secret" not in str(shared["readable_by"])
