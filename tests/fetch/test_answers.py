"""What GitHub, or a proxy before it, answers is not always what was asked for."""

import re
from dataclasses import dataclass, field
from typing import Any, cast

from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.requests import Answer
from bot.inbox import worker
from store.engine.transaction import Tx
from store.fetch import pending_reads
from tests.support.story import Workspace


@dataclass
class Odd:
    """GitHub, which answers what `path` matches with `data` and 200, whatever was asked."""

    github: GitHub
    path: str
    data: Any
    asked: list[str] = field(default_factory=list)
    time_out: float = REQUEST_TIMEOUT

    async def request(self, installation_id: int, method: str, path: str, body: Any) -> Answer:
        if method == "GET" and re.search(self.path, path):
            self.asked.append(path)
            return Answer(200, {}, self.data)
        return await self.github.request(installation_id, method, path, body)


def odd(workspace: Workspace, path: str, data: Any) -> Odd:
    """From now on."""
    github = Odd(workspace.sender.github, path, data)
    workspace.sender.github = cast("GitHub", github)
    return github


async def go_on_until_asked(workspace: Workspace, github: Odd, times: int) -> None:
    while len(github.asked) < times:
        await workspace.github.wait_for_deliveries()
        await worker.step(workspace.store, workspace.dispatcher.shared)
        wait = await workspace.sender.step(workspace.installation.id)
        workspace.clock.forward(60 if wait is None else wait)


async def test_the_page_of_a_proxy_hides_no_repository(workspace: Workspace) -> None:
    other = workspace.github.repository("acme/other", private=True)
    github = odd(workspace, "^/installation/repositories", "<html>Log in</html>")
    workspace.github.add_repositories(workspace.installation, [other.full_name])
    await go_on_until_asked(workspace, github, 3)
    rows = await workspace.rows(
        "SELECT full_name FROM repositories WHERE installation_id = :i AND selected = 1 "
        "ORDER BY full_name"
    )
    assert [row["full_name"] for row in rows] == ["acme/other", "acme/rocket"]


async def test_an_answer_that_cannot_be_read_holds_up_no_write(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    github = odd(workspace, r"/issues/\d+$", {"message": "something else"})
    here = {"repository_id": workspace.repository.id, "number": issue.number, "which": issue.number}
    await workspace.store.write(
        lambda tx: pending_reads.ask(tx, workspace.installation.id, "issue", "x", here)
    )
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="goes out")
    await go_on_until_asked(workspace, github, 3)
    assert sum("goes out" in comment.body for comment in issue.comments) == 1


async def test_a_delivery_that_is_dead_shows_in_how_fresh_an_answer_is(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    await workspace.task()

    async def die(tx: Tx) -> None:
        await tx.run(
            "UPDATE deliveries SET state = 'dead' WHERE installation_id = :i AND event = 'issues'",
            i=workspace.installation.id,
        )

    await workspace.store.write(die)
    workspace.clock.forward(90)
    assert (await agent.call("list_tasks"))["stale_s"] >= 90
