"""What becomes of the tasks of an agent that is paused or whose token is revoked."""

from bot.cli import tokens
from fixtures.github import Pull
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


async def at_work(workspace: Workspace) -> tuple[Agent, str, str]:
    """An agent with a task in review, and another one in progress."""
    scout, proposed = await workspace.agent("scout"), workspace.name(await workspace.task())
    fence = (await scout.call("claim_task", task=proposed))["fence"]
    workspace.person.push(workspace.repository, "mend", {"a.py": "1\n"}, base="main")
    mine = {"task": proposed, "fence": fence}
    await scout.call("github_create_pr", **mine, title="Mend", head="mend", body="Mended")
    await workspace.settle()
    await scout.call("update_task_status", **mine, status="in_review")
    running = workspace.name(await workspace.task("Another"))
    await scout.call("claim_task", task=running)
    return scout, proposed, running


def pull_of(workspace: Workspace) -> Pull:
    (pull,) = workspace.repository.pulls.values()
    return pull


async def standing(workspace: Workspace, *names: str) -> list[tuple[str, str | None]]:
    reader = await workspace.agent("reader", "observer")
    shown = [(await reader.call("get_task", task=each))["task"] for each in names]
    return [(each["state"], each["holder"]) for each in shown]


@ON_SQLITE
async def test_a_pause_leaves_what_is_in_review_where_it_is(workspace: Workspace) -> None:
    scout, proposed, running = await at_work(workspace)
    lead = await workspace.agent("lead", "tech-lead")
    paused = await lead.call("manage_agent", agent_id="scout", action="pause", note="Too fast")
    assert paused["released"] == [running]
    assert ": Too fast. You may read" in (await scout.refusal("claim_task")).message
    assert await standing(workspace, proposed, running) == [
        ("in_review", "scout"),
        ("pending", None),
    ]
    workspace.person.merge(pull_of(workspace))
    await workspace.settle()
    assert await standing(workspace, proposed) == [("completed", None)]


async def test_a_revoked_token_is_told_and_frees_what_its_agent_worked_on(
    workspace: Workspace,
) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    scout, proposed, running = await at_work(workspace)
    await scout.call("update_agent", parent_id="lead")
    start = (await lead.call("list_tasks"))["events_cursor"]
    keys, here = workspace.dispatcher.shared.keys, workspace.installation.id
    made = [
        await workspace.store.write(lambda tx: add_api_key(tx, keys, here, "scout", "developer"))
        for _ in range(2)
    ]
    first, last = [each.split("_")[1] for each in made]
    assert "another token" in await workspace.store.write(lambda tx: tokens.revoke(tx, first))
    assert (await standing(workspace, running))[0] == ("in_progress", "scout")
    said = await workspace.store.write(lambda tx: tokens.revoke(tx, last))
    assert f"Released: {running}." in said
    heard = await lead.call("wait_for_events", topics=["agents"], cursor=start)
    (event,) = [each for each in heard["events"] if each["kind"] == "agent.revoked"]
    assert event["subject"] == "scout"
    assert event["data"] == {"parent": "lead", "released": [running]}
    assert await standing(workspace, proposed, running) == [
        ("in_review", "scout"),
        ("pending", None),
    ]
