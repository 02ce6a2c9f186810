"""What GitHub, or a proxy before it, answers is not always what was asked for."""

import re
from dataclasses import dataclass, field
from typing import Any, cast

from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.requests import Answer
from bot.inbox import worker
from store.engine.transaction import Tx
from store.fetch import pending_reads
from tests.support.story import Town


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


def odd(town: Town, path: str, data: Any) -> Odd:
    """From now on."""
    github = Odd(town.sender.github, path, data)
    town.sender.github = cast("GitHub", github)
    return github


async def go_on_until_asked(town: Town, github: Odd, times: int) -> None:
    while len(github.asked) < times:
        await town.github.wait_for_deliveries()
        await worker.step(town.store, town.dispatcher.shared)
        wait = await town.sender.step(town.installation.id)
        town.clock.forward(60 if wait is None else wait)


async def test_the_page_of_a_proxy_hides_no_repository(town: Town) -> None:
    other = town.github.repository("acme/other", private=True)
    github = odd(town, "^/installation/repositories", "<html>Log in</html>")
    town.github.add_repositories(town.installation, [other.full_name])
    await go_on_until_asked(town, github, 3)
    rows = await town.rows(
        "SELECT full_name FROM repositories WHERE installation_id = :i AND selected = 1 "
        "ORDER BY full_name"
    )
    assert [row["full_name"] for row in rows] == ["acme/other", "acme/rocket"]


async def test_an_answer_that_cannot_be_read_holds_up_no_write(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("scout")
    github = odd(town, r"/issues/\d+$", {"message": "something else"})
    here = {"repository_id": town.repository.id, "number": issue.number, "which": issue.number}
    await town.store.write(
        lambda tx: pending_reads.ask(tx, town.installation.id, "issue", "x", here)
    )
    await agent.call("github_comment_issue", issue=town.name(issue), body="goes out")
    await go_on_until_asked(town, github, 3)
    assert sum("goes out" in comment.body for comment in issue.comments) == 1


async def test_a_delivery_that_is_dead_shows_in_how_fresh_an_answer_is(town: Town) -> None:
    agent = await town.agent("scout")
    await town.task()

    async def die(tx: Tx) -> None:
        await tx.run(
            "UPDATE deliveries SET state = 'dead' WHERE installation_id = :i AND event = 'issues'",
            i=town.installation.id,
        )

    await town.store.write(die)
    town.clock.forward(90)
    assert (await agent.call("list_tasks"))["stale_s"] >= 90
