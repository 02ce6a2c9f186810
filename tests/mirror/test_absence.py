"""What GitHub does not show is deleted only if it says so twice, or reports it by a webhook.

A 404 may come from a replica that lags, a 410 from a feature that is turned off.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from bot.fetch import backfill
from bot.fetch.missed_deliveries import Repair
from bot.github.client import GitHub
from bot.inbox import worker
from bot.mirror import reads
from fixtures.github import Issue
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

MINUTE = 60.0
HOUR = 3600.0
INSTALLATION = r"/app/installations/\d+$"


def issue_read(issue: Issue) -> reads.Read:
    return reads.thread("issue", issue.repository.id, issue.number)


async def go_on(workspace: Workspace, hours: float) -> None:
    """Let worker and sender work for so long, also while something stays queued."""
    until = workspace.clock.at + hours * HOUR * 1_000_000
    while workspace.clock.at < until:
        await workspace.github.wait_for_deliveries()
        if not await worker.step(workspace.store, workspace.dispatcher.shared):
            wait = await workspace.sender.step(workspace.installation.id)
            workspace.clock.forward(MINUTE if wait is None else min(wait, MINUTE))


def times_of(workspace: Workspace, path: str) -> list[float]:
    """When GitHub was asked for a path."""
    return [
        each.at
        for each in workspace.github.requests
        if each.method == "GET" and re.search(path, each.path)
    ]


async def state_of(workspace: Workspace, issue: Issue) -> str:
    agent = await workspace.agent("reader", "observer")
    found = await agent.call("get_task", task=workspace.name(issue))
    return str(found["task"]["state"])


async def claimed(workspace: Workspace, title: str = "Mend it") -> Issue:
    """A task that an agent works on."""
    issue = await workspace.task(title)
    agent = await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    return issue


async def hide(workspace: Workspace, issue: Issue) -> None:
    """Let GitHub say twice that it is not there, and twice more when the card's event comes."""
    workspace.github.fault("GET", rf"/issues/{issue.number}$", "404", times=4)
    await workspace.read(issue_read(issue))
    assert issue.id not in {row["id"] for row in await workspace.mirror_content("issues")}


async def titles(workspace: Workspace) -> list[str]:
    """Of all tasks that can be seen."""
    agent = await workspace.agent("reader", "observer")
    return sorted(task["title"] for task in (await agent.call("list_tasks"))["tasks"])


@ON_SQLITE
@pytest.mark.parametrize("status", ["404", "410"])
async def test_one_answer_of_a_late_replica_deletes_no_issue(
    workspace: Workspace, status: str
) -> None:
    issue = await claimed(workspace)
    earlier = len(times_of(workspace, rf"/issues/{issue.number}$"))
    workspace.github.fault("GET", rf"/issues/{issue.number}$", status)
    await workspace.read(issue_read(issue))
    assert await state_of(workspace, issue) == "in_progress"
    first, second = times_of(workspace, rf"/issues/{issue.number}$")[earlier:]
    assert second - first >= MINUTE


async def test_an_issue_whose_deletion_went_unheard_is_gone_after_two_looks(
    workspace: Workspace,
) -> None:
    issue = await claimed(workspace)
    workspace.github.hold_deliveries()
    workspace.person.delete_issue(issue)
    earlier = len(times_of(workspace, rf"/issues/{issue.number}$"))
    await workspace.read(issue_read(issue))
    rows = await workspace.rows("SELECT state, lease_id FROM tasks WHERE installation_id = :i")
    assert rows == [{"state": "cancelled", "lease_id": None}]
    first, second = times_of(workspace, rf"/issues/{issue.number}$")[earlier:]
    assert second - first >= MINUTE
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()


@ON_SQLITE
async def test_no_answer_counts_while_the_repository_itself_cannot_be_seen(
    workspace: Workspace,
) -> None:
    issue = await claimed(workspace)
    workspace.github.fault("GET", rf"/issues/{issue.number}$", "404", times=9)
    workspace.github.fault("GET", rf"/repositories/{workspace.repository.id}$", "404", times=9)
    await workspace.read(issue_read(issue))
    assert await state_of(workspace, issue) == "in_progress"


async def test_an_issue_that_github_shows_again_comes_back_with_its_task_and_relations(
    workspace: Workspace,
) -> None:
    issue, blocked = await claimed(workspace), await workspace.task("Wait for it")
    workspace.person.block(blocked, issue)
    await workspace.settle()
    await hide(workspace, issue)
    agent = await workspace.agent("ada")
    assert (await agent.call("explain_task", task=workspace.name(blocked)))["blocked_by"] == []
    workspace.person.comment(issue, "I can see it.")
    await workspace.settle()
    assert await state_of(workspace, issue) == "pending"
    shown = await agent.call("explain_task", task=workspace.name(blocked))
    assert shown["blocked_by"] == [workspace.name(issue)]


@ON_SQLITE
async def test_an_older_event_about_a_hidden_issue_asks_github_again(workspace: Workspace) -> None:
    issue = await claimed(workspace)
    opened = next(each for each in workspace.github.deliveries if each.event == "issues")
    await hide(workspace, issue)
    await workspace.store.write(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = 'received' WHERE installation_id = :i AND guid = :g",
            i=workspace.installation.id,
            g=opened.guid,
        )
    )
    await workspace.settle()
    assert await state_of(workspace, issue) == "pending"


@ON_SQLITE
async def test_issues_that_are_turned_off_are_not_deleted(workspace: Workspace) -> None:
    issue = await claimed(workspace)
    workspace.person.disable_issues(workspace.repository)
    await workspace.read(issue_read(issue))
    assert await state_of(workspace, issue) == "in_progress"
    agent = await workspace.agent("ada")
    sent = await agent.write("github_comment_issue", issue=workspace.name(issue), body="Hello")
    await workspace.settle()
    write = await agent.write("get_write", write_id=sent["write_id"])
    assert write["refusal"]["details"]["reason"] == "disabled"
    assert "It is turned off, not deleted." in write["refusal"]["message"]


@pytest.mark.parametrize("sign", ["a new issue", "an event of the repository", "a day"])
async def test_what_was_refused_while_issues_were_off_is_fetched_when_they_are_on(
    workspace: Workspace, sign: str
) -> None:
    workspace.github.hold_deliveries()
    issue = workspace.person.open_issue(workspace.repository, "Of the past", labels=["agent-task"])
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    workspace.person.disable_issues(workspace.repository)
    await workspace.begin_backfill()
    await workspace.store.write(
        lambda tx: reads.queue(tx, workspace.installation.id, issue_read(issue))
    )
    await go_on(workspace, 0.2)
    assert await titles(workspace) == []
    workspace.person.enable_issues(workspace.repository)
    if sign == "a new issue":
        workspace.person.open_issue(workspace.repository, "Of today")
    elif sign == "an event of the repository":
        workspace.person.set_default_branch(workspace.repository, "main")
    else:
        workspace.clock.forward(24 * HOUR)
        await workspace.begin_backfill()
    await go_on(workspace, 0.1)
    assert await titles(workspace) == ["Of the past"]
    parts = "SELECT part FROM backfills WHERE installation_id = :i AND state <> 'done'"
    waiting = "SELECT kind FROM pending_reads WHERE installation_id = :i AND state = 'queued'"
    assert await workspace.rows(parts) == await workspace.rows(waiting) == []


@ON_SQLITE
async def test_a_new_repository_that_a_late_replica_does_not_know_is_fetched(
    workspace: Workspace,
) -> None:
    workspace.github.hold_deliveries()
    workspace.person.open_issue(workspace.repository, "Of the past", labels=["agent-task"])
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    workspace.github.fault("GET", r"/issues$", "404")
    await workspace.begin_backfill()
    await go_on(workspace, 0.1)
    assert await titles(workspace) == ["Of the past"]


async def test_a_restored_repository_comes_back_with_its_tasks(workspace: Workspace) -> None:
    issue = await claimed(workspace)
    workspace.person.delete_repository(workspace.repository)
    await workspace.settle()
    assert await titles(workspace) == []
    workspace.github.restore_repository(workspace.repository)
    workspace.person.comment(issue, "It is here again.")
    await workspace.settle()
    assert await titles(workspace) == ["Mend it"]
    assert await state_of(workspace, issue) == "in_progress"
    assert await backfill.begin_missing(workspace.store)  # it sent no webhooks in the meantime


@ON_SQLITE
async def test_an_event_that_comes_after_the_deletion_restores_no_repository(
    workspace: Workspace,
) -> None:
    issue = await claimed(workspace)
    workspace.github.hold_deliveries()
    workspace.person.comment(issue, "The last word")
    workspace.person.delete_repository(workspace.repository)
    comment, deletion = workspace.github.held_deliveries
    await workspace.github.post(deletion)
    await workspace.settle()
    await workspace.github.post(comment)
    await workspace.settle()
    assert await titles(workspace) == []
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()


@ON_SQLITE
async def test_one_404_for_the_installation_hides_no_tenant(workspace: Workspace) -> None:
    await claimed(workspace)
    workspace.github.fault("GET", INSTALLATION, "404")
    await workspace.read(reads.installation(workspace.installation.id))
    assert await titles(workspace) == ["Mend it"]


async def test_an_installation_that_github_shows_again_comes_back(workspace: Workspace) -> None:
    issue = await claimed(workspace)
    workspace.github.fault("GET", INSTALLATION, "404", times=2)
    await workspace.read(reads.installation(workspace.installation.id))
    assert await titles(workspace) == []
    workspace.person.comment(issue, "We are still here.")
    await workspace.settle()
    assert await titles(workspace) == ["Mend it"]


@ON_SQLITE
async def test_an_installation_that_github_lists_again_comes_back(workspace: Workspace) -> None:
    await claimed(workspace)
    workspace.github.fault("GET", INSTALLATION, "404", times=2)
    await workspace.read(reads.installation(workspace.installation.id))
    assert await titles(workspace) == []
    repair = Repair(workspace.store, workspace.sender.github, keys=workspace.dispatcher.shared.keys)
    for _ in range(3):
        workspace.clock.forward(await repair.step())
    assert await titles(workspace) == ["Mend it"]
    await repair.release()


@ON_SQLITE
async def test_a_list_that_lacks_a_repository_or_a_label_once_hides_neither(
    workspace: Workspace,
) -> None:
    await claimed(workspace)
    workspace.github.fault("GET", "/installation/repositories$", "unseen")
    workspace.github.fault("GET", "/labels$", "unseen")
    await workspace.read(reads.ALL_REPOSITORIES)
    await workspace.read(reads.repository("labels", workspace.repository.id))
    assert await titles(workspace) == ["Mend it"]
    assert [row["name"] for row in await workspace.mirror_content("labels")] == ["agent-task"]


@ON_SQLITE
async def test_a_branch_is_gone_when_two_lists_lack_it_and_not_before(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    workspace.person.push(workspace.repository, "done", {"a.py": "2\n"}, base="main")
    await workspace.settle()
    workspace.github.lose_deliveries(1)
    workspace.person.delete_branch(workspace.repository, "done")
    workspace.github.fault("GET", "/git/matching-refs/heads$", "unseen")
    await workspace.read(reads.repository("refs", workspace.repository.id))
    names = "SELECT name FROM refs WHERE installation_id = :i ORDER BY name"
    assert [row["name"] for row in await workspace.rows(names)] == ["fix", "main"]
    first, second = times_of(workspace, "/git/matching-refs/heads$")
    assert second - first >= MINUTE


@ON_SQLITE
async def test_a_list_that_lacks_a_blocker_once_frees_no_task(workspace: Workspace) -> None:
    """GitHub's replicas may not have the relation yet that an event has just reported."""
    blocker, issue = await workspace.task("First"), await workspace.task("Then")
    earlier = len(times_of(workspace, "/dependencies/blocked_by$"))
    workspace.github.fault("GET", "/dependencies/blocked_by$", "unseen")
    workspace.person.block(issue, blocker)
    await workspace.settle()
    agent = await workspace.agent("scout")
    shown = await agent.call("explain_task", task=workspace.name(issue))
    assert shown["blocked_by"] == [workspace.name(blocker)]
    assert len(times_of(workspace, "/dependencies/blocked_by$")) == earlier + 2


@ON_SQLITE
async def test_one_404_for_a_branch_or_a_permission_takes_neither_away(
    workspace: Workspace,
) -> None:
    issue = await claimed(workspace)
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("GET", "/git/ref/heads/fix$", "404")
    await workspace.read(reads.branch(workspace.repository.id, "fix"))
    names = "SELECT name FROM refs WHERE installation_id = :i AND name = 'fix'"
    assert await workspace.rows(names) == [{"name": "fix"}]
    workspace.github.fault("GET", "/collaborators/octocat/permission$", "404")
    workspace.person.comment(issue, "/release")
    await workspace.settle()
    assert await state_of(workspace, issue) == "pending"


@ON_SQLITE
async def test_a_permission_that_never_comes_is_asked_for_as_long_as_the_command_waits(
    workspace: Workspace,
) -> None:
    """The command asks again after the read was given up, but no longer than an hour."""
    issue = await workspace.task()
    path = "/collaborators/hubot/permission$"
    workspace.github.fault("GET", path, "403", times=10_000)
    person = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    person.comment(issue, "/hold")
    await go_on(workspace, 1.5)
    asked = len(times_of(workspace, path))
    assert 0 < asked <= 70
    states = await workspace.rows("SELECT state FROM commands WHERE installation_id = :i")
    assert states == [{"state": "refused"}]
    await go_on(workspace, 6)
    assert len(times_of(workspace, path)) == asked


@ON_SQLITE
async def test_one_404_for_the_settings_file_keeps_the_settings(workspace: Workspace) -> None:
    path = ".github/hubbub.yml"
    workspace.person.push(workspace.repository, "main", {path: "task_label: todo\n"})
    await workspace.settle()
    workspace.github.fault("GET", f"/contents/{path}$", "404")
    await workspace.read(reads.repository("settings", workspace.repository.id))
    workspace.person.open_issue(workspace.repository, "By its own label", labels=["todo"])
    await workspace.settle()
    assert await titles(workspace) == ["By its own label"]


@ON_SQLITE
async def test_a_repository_with_the_old_name_of_a_renamed_one_is_not_taken_for_it(
    workspace: Workspace,
) -> None:
    issue = await claimed(workspace)
    workspace.github.hold_deliveries()
    workspace.person.rename(workspace.repository, "moon")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    other = workspace.github.repository("acme/rocket", private=True)
    workspace.github.add_repositories(workspace.installation, [other.full_name])
    await workspace.settle()
    assert await state_of(workspace, issue) == "in_progress"
    names = await workspace.mirror_content("repositories")
    assert sorted(row["full_name"] for row in names) == ["acme/moon", "acme/rocket"]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def client(workspace: Workspace, session: aiohttp.ClientSession, app_id: int) -> GitHub:
    key = workspace.github.app.private_key
    return GitHub(
        session,
        api_url=workspace.github.url,
        app_id=str(app_id),
        private_key=key,
        now=workspace.clock,
    )


@ON_SQLITE
async def test_wrong_credentials_hide_no_tenant(
    workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    await claimed(workspace)
    right = workspace.sender.github
    workspace.sender.github = client(workspace, session, workspace.github.app.id + 1)
    await workspace.store.write(
        lambda tx: reads.queue(tx, workspace.installation.id, reads.ALL_REPOSITORIES)
    )
    await go_on(workspace, 0.5)
    assert await titles(workspace) == ["Mend it"]
    workspace.sender.github = right
    await go_on(workspace, 0.5)
    assert await titles(workspace) == ["Mend it"]


@ON_SQLITE
async def test_a_failure_of_github_is_not_taken_for_wrong_credentials(
    workspace: Workspace,
) -> None:
    repair = Repair(workspace.store, workspace.sender.github, keys=workspace.dispatcher.shared.keys)
    workspace.github.fault("GET", "^/app$", "500")
    for _ in range(5):
        workspace.clock.forward(await repair.step())
    assert repair.trouble is None
    assert len(times_of(workspace, "^/app$")) == 2
    assert times_of(workspace, "^/app/hook/deliveries")


@ON_SQLITE
async def test_the_credentials_of_another_app_touch_no_data(
    workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    """GitHub knows them, and shows the other App's installations, of which none is ours."""
    await claimed(workspace)
    held = workspace.github.world.installations.pop(workspace.installation.id)
    strange_id = workspace.installation.id + 1
    workspace.github.world.installations[strange_id] = replace(held, id=strange_id)
    workspace.github.app.id += 1
    strange = client(workspace, session, workspace.github.app.id)
    workspace.sender.github = strange
    repair = Repair(workspace.store, strange, keys=workspace.dispatcher.shared.keys)
    for _ in range(5):
        workspace.clock.forward(await repair.step())
    await workspace.store.write(
        lambda tx: reads.queue(tx, workspace.installation.id, reads.ALL_REPOSITORIES)
    )
    await go_on(workspace, 0.5)
    assert await titles(workspace) == ["Mend it"]
    q = "SELECT app_id FROM installations WHERE installation_id = :strange"
    assert await workspace.rows(q, strange=strange_id) == []
    assert repair.trouble is not None
    assert "credentials" in repair.trouble
    assert not times_of(workspace, "^/app/hook/deliveries")
