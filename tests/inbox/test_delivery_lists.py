"""People look at the webhook deliveries, and replay those on which Hubbub gave up."""

from dataclasses import replace
from typing import Any

from bot.identity.actors import Actor, person_with_roles
from store.inbox import deliveries
from tests.support.story import Agent, Workspace


def lead(workspace: Workspace) -> Agent:
    """Octocat, who administers all repositories."""
    here = workspace.repository.id
    actor = person_with_roles(workspace.installation.id, "octocat", {here: "tech-lead"}, [here])
    return Agent(workspace.dispatcher, actor)


def reader(workspace: Workspace, *repositories: int) -> Agent:
    """A person who may read some repositories, of more."""
    roles: dict[int, Any] = dict.fromkeys(repositories, "observer")
    every = [*repositories, workspace.repository.id, 99]
    actor: Actor = person_with_roles(workspace.installation.id, "mona", roles, every)
    return Agent(workspace.dispatcher, actor)


async def die(workspace: Workspace) -> str:
    """Let the newest delivery fail for good."""
    workspace.person.open_issue(workspace.repository, "Mend it", "")
    await workspace.github.wait_for_deliveries()
    (row,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND state = 'received'"
    )
    i, guid = workspace.installation.id, row["guid"]
    for _ in range(len(deliveries.BACKOFF_S) + 1):
        await workspace.store.write(lambda tx: deliveries.mark_failed(tx, i, guid, "a bug"))
    return str(guid)


async def test_a_dead_delivery_is_listed_shown_and_replayed(workspace: Workspace) -> None:
    me, guid = lead(workspace), await die(workspace)
    listed = await me.call("list_deliveries", state="dead")
    assert [(each["guid"], each["error"]) for each in listed["deliveries"]] == [(guid, "a bug")]
    assert {each["state"]: each["n"] for each in listed["counts"]} == {
        "received": 0,
        "failed": 0,
        "dead": 1,
    }
    shown = await me.call("get_delivery", guid=guid)
    assert shown["headers"] == {"X-GitHub-Event": "issues", "X-GitHub-Delivery": guid}
    assert '"title": "Mend it"' in shown["payload"]
    assert (await me.call("replay_delivery", guid=guid))["replayed"] == [guid]
    await workspace.settle()
    (now,) = (await me.call("list_deliveries"))["deliveries"][:1]
    assert (now["guid"], now["state"], now["outcome"]) == (guid, "processed", "mirrored")
    refused = await me.refusal("replay_delivery", guid=guid)
    assert (refused.code, refused.details) == ("too_late", {"state": "processed"})


async def test_all_dead_deliveries_are_replayed_at_once(workspace: Workspace) -> None:
    me, guids = lead(workspace), {await die(workspace), await die(workspace)}
    assert {*(await me.call("replay_delivery", all=True))["replayed"]} == guids
    assert (await me.refusal("replay_delivery")).code == "invalid_arguments"


async def test_deliveries_of_other_repositories_are_not_there(workspace: Workspace) -> None:
    guid = await die(workspace)
    other = workspace.github.repository("acme/other")
    stranger = reader(workspace, other.id)
    assert (await stranger.call("list_deliveries"))["deliveries"] == []
    assert (await stranger.refusal("get_delivery", guid=guid)).code == "unknown_delivery"
    member = reader(workspace, workspace.repository.id)
    assert (await member.call("list_deliveries", state="dead"))["deliveries"][0]["guid"] == guid
    assert (await member.call("list_deliveries"))["counts"] == []
    assert (await member.refusal("replay_delivery", guid=guid)).code == "forbidden"


async def test_a_payload_with_an_issue_of_a_private_repository_is_for_its_readers(
    workspace: Workspace,
) -> None:
    """GitHub sends the whole blocker, sub-issue or transferred issue, wherever it is."""
    github, here, me = workspace.github, workspace.repository, workspace.person
    secret = github.repository("acme/secret", private=True)
    github.set_permission("acme/secret", "octocat", "admin")
    github.add_repositories(workspace.installation, ["acme/secret"])
    issues = [me.open_issue(here, f"Task {n}", "") for n in range(3)]
    hidden = [me.open_issue(secret, "The takeover", "") for _ in range(2)]
    me.block(issues[0], hidden[0])
    me.add_sub_issue(issues[1], hidden[1])
    me.transfer_issue(issues[2], secret)
    await workspace.settle()
    near, both = reader(workspace, here.id), reader(workspace, here.id, secret.id)
    shown = []
    for each in (await near.call("list_deliveries"))["deliveries"]:
        theirs = await near.call("get_delivery", guid=each["guid"])
        assert "takeover" not in theirs["payload"]
        assert "acme/secret" not in theirs["payload"]
        assert theirs["hidden"] is not bool(theirs["payload"])
        shown.append((each["event"], each["action"], theirs["hidden"]))
        ours = await both.call("get_delivery", guid=each["guid"])
        assert ours["payload"]
    assert ("issues", "opened", False) in shown
    left_out = {(event, action) for event, action, is_hidden in shown if is_hidden}
    assert {
        ("issue_dependencies", "blocked_by_added"),
        ("sub_issues", "sub_issue_added"),
        ("issues", "transferred"),
    } <= left_out


async def test_a_list_of_deliveries_has_pages(workspace: Workspace) -> None:
    me, seen, cursor = lead(workspace), list[str](), None
    for n in range(60):
        workspace.person.open_issue(workspace.repository, f"Task {n}", "")
    await workspace.settle()
    while True:
        page = await me.call("list_deliveries", cursor=cursor)
        seen += [each["guid"] for each in page["deliveries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    stored = await workspace.rows("SELECT guid FROM deliveries WHERE installation_id = :i")
    assert len(seen) > 50
    assert sorted(seen) == sorted(row["guid"] for row in stored)
    assert (await me.refusal("list_deliveries", cursor="nonsense")).code == "invalid_arguments"


async def test_no_agent_may_look_at_deliveries(workspace: Workspace) -> None:
    ada = await workspace.agent("ada", "tech-lead")
    refused = await ada.refusal("list_deliveries")
    assert refused.message.startswith("Only people may call list_deliveries")
    as_person = replace(ada.actor, name="@ada")
    assert await Agent(ada.dispatcher, as_person).call("list_deliveries")
