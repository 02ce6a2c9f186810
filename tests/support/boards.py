"""A workspace whose tasks are on a project board."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.background import board_sweep
from fixtures.github import Issue, Item, Person, Project, Request
from tests.support.story import Agent, Workspace

COLUMNS = ("Backlog", "Todo", "In Progress", "In Review", "Done", "Ideas")


@dataclass
class BoardStory:
    """`scout` is an agent. The person who drags is an administrator."""

    workspace: Workspace
    project: Project
    agent: Agent

    @property
    def person(self) -> Person:
        return self.workspace.person

    def item(self, issue: Issue) -> Item:
        (found,) = [each for each in self.project.items.values() if each.content is issue]
        return found

    def status(self, issue: Issue) -> str | None:
        return self.item(issue).status

    async def on_board(self, title: str = "Mend it") -> Issue:
        """A pending task on the board."""
        issue = await self.workspace.task(title)
        await self.rest(120)
        assert self.status(issue) == "Todo"
        return issue

    async def claimed(self, title: str = "Mend it") -> Issue:
        issue = await self.on_board(title)
        await self.agent.call("claim_task", task=self.workspace.name(issue))
        await self.rest()
        assert self.status(issue) == "In Progress"
        return issue

    async def report(self, issue: Issue, status: str) -> None:
        """The agent claims the task, unless it holds it, and reports."""
        name = self.workspace.name(issue)
        claimed = await self.agent.call("claim_task", task=name)
        given = {"task": name, "fence": claimed["fence"], "status": status, "note": "See here"}
        await self.agent.call("update_task_status", **given)
        await self.rest()

    async def rest(self, seconds: float = 60) -> None:
        """Let time pass, with what Hubbub does meanwhile."""
        await self.workspace.settle()
        self.workspace.clock.forward(seconds)
        while await board_sweep.step(self.workspace.store):
            await self.workspace.settle()
        await self.workspace.settle()

    async def drag(self, issue: Issue, to: str, by: Person | None = None, **how: Any) -> None:
        self.workspace.clock.forward(5)
        (by or self.person).set_status(self.item(issue), to, **how)
        await self.rest()

    async def state(self, issue: Issue) -> str:
        found = await self.agent.call("get_task", task=self.workspace.name(issue))
        return str(found["task"]["state"])

    def replies(self, issue: Issue) -> list[str]:
        """What Hubbub wrote on the issue, without its card."""
        bodies = [each.body for each in issue.comments if each.user.login == "hubbub[bot]"]
        texts = [each.partition("-->\n")[2] for each in bodies]
        return [each for each in texts if not each.startswith("**Hubbub**")]

    def writes(self, since: int = 0) -> list[Request]:
        """The requests that set a field, each as often as it sets one."""
        found = self.workspace.github.requests[since:]
        return [each for each in found for _ in range(_sets(each))]


def _sets(request: Request) -> int:
    if request.method == "PATCH" and "/projectsV2/" in request.path:
        return 1
    query = request.body.get("query", "") if isinstance(request.body, dict) else ""
    return query.count("updateProjectV2ItemFieldValue(")


async def open_board(
    workspace: Workspace, settings: str = "", columns: Sequence[str] = COLUMNS
) -> BoardStory:
    project = workspace.person.create_project("acme", "Work", columns)
    await workspace.settle()
    text = f"board:\n  project: {project.number}\n{settings}"
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": text})
    await workspace.settle()
    story = BoardStory(workspace, project, await workspace.agent("scout"))
    await story.rest()
    return story
