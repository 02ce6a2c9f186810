"""A hundred events on one issue within two hours, as people and programs cause them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

from bot.identity.actors import BOT
from fixtures.github import Issue, Person, Pull
from tests.support.story import Agent, Workspace

EVENTS = 100
# Seconds between two events.
PACE = 72
# One in so many events is a command; the rest are comments, labels, edits, checks and reviews.
COMMANDS = cycle(("/status", "/priority high", "/hold wait for the customer", "/resume", "/why"))


@dataclass(frozen=True)
class Spent:
    """While the events came: Hubbub's own writes by kind, those of its agent, and requests.

    Several writes can share a request.
    """

    events: int
    own: Counter[str]
    by_agent: int
    writing_requests: int
    reading_requests: int

    @property
    def in_all(self) -> int:
        return self.own.total()


async def play(workspace: Workspace) -> Spent:
    """An agent holds the task and has a pull request; then the events come, one after another."""
    agent, fence, issue, pull = await _open(workspace)
    reviewer = workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    before, first = await _writes(workspace), len(workspace.github.requests)
    events = _events(workspace, reviewer, issue, pull)
    for n in range(EVENTS):
        next(events)()
        await workspace.settle()
        if n % 10 == 5:
            await _report(workspace, agent, issue, fence, n)
        workspace.clock.forward(PACE)
        await workspace.settle()
    after = await _writes(workspace)
    spent = after - before
    own = Counter({kind: count for (author, kind), count in spent.items() if author == BOT})
    requests = [each for each in workspace.github.requests[first:] if "tokens" not in each.path]
    reading = sum(each.method == "GET" for each in requests)
    by_agent = spent.total() - own.total()
    return Spent(EVENTS, own, by_agent, len(requests) - reading, reading)


async def _open(workspace: Workspace) -> tuple[Agent, int, Issue, Pull]:
    issue, agent = await workspace.task(), await workspace.agent("builder")
    task = workspace.name(issue)
    fence = (await agent.call("claim_task", task=task, lease_s=86_400))["fence"]
    mine = {"task": task, "fence": fence}
    change = {"path": "engine.py", "content": "1\n"}
    await agent.write(
        "github_commit_files", **mine, branch="mend", message="Mend it", files=[change]
    )
    await workspace.settle()
    await agent.write("github_create_pr", **mine, head="mend", title="Mend it")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    return agent, fence, issue, pull


async def _report(workspace: Workspace, agent: Agent, issue: Issue, fence: int, done: int) -> None:
    mine = {"task": workspace.name(issue), "fence": fence}
    note = f"{done} files are done."
    await agent.call("update_task_status", **mine, status="in_progress", note=note)


def _events(
    workspace: Workspace, reviewer: Person, issue: Issue, pull: Pull
) -> Iterator[Callable[[], object]]:
    person, number = workspace.person, iter(range(EVENTS))
    checks = workspace.github.ci
    head = workspace.repository.branches["mend"]
    while True:
        yield lambda: person.comment(issue, f"What about case {next(number)}?")
        yield lambda: reviewer.comment(pull, f"A remark, {next(number)}.")
        yield lambda: person.edit_issue(issue, body=f"More words, {next(number)}.")
        yield lambda: person.add_label(issue, f"label-{next(number)}")
        yield lambda: checks.finish_check(
            checks.start_check(workspace.repository, head, f"check {next(number)}")
        )
        yield lambda: reviewer.review(pull, "approved", f"Fine, {next(number)}.")
        yield lambda: person.comment(issue, f"Yes, {next(number)}.")
        yield lambda: person.assign(issue, person.login)
        yield lambda: person.unassign(issue, person.login)
        yield lambda: person.comment(issue, next(COMMANDS))


async def _writes(workspace: Workspace) -> Counter[tuple[str, str]]:
    """The writes that went out, by author and kind."""
    rows = await workspace.rows(
        "SELECT author, kind, COUNT(*) AS n FROM writes WHERE installation_id = :i "
        "AND state = 'sent' GROUP BY author, kind"
    )
    return Counter({(row["author"], row["kind"]): row["n"] for row in rows})
