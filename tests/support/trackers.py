"""A workspace with a tracker: GitLab on loopback, whose issues become tasks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bot.notifications.message import Links
from bot.times import SECOND
from bot.trackers import mirroring
from fixtures.github import Issue
from tests.support.agent_endpoints import lead, trust
from tests.support.gitlab import TOKEN, GitLab, GitLabIssue, open_gitlab
from tests.support.story import Workspace

PAGES = Links("https://github.example.com")


@dataclass
class Tracked:
    workspace: Workspace
    gitlab: GitLab

    async def add(self, name: str = "acme", **given: Any) -> dict[str, Any]:
        usual = {
            "url": self.gitlab.url,
            "project": self.gitlab.path,
            "repository": self.workspace.repository.full_name,
            "secret": TOKEN,
        }
        arguments = {"tracker": name, "action": "add", **usual, **given}
        return await lead(self.workspace).call("manage_tracker", **arguments)

    async def turn(self) -> bool:
        """One turn of each tracker that is due. Whether there is more to do at once."""
        w = self.workspace
        found = [
            await mirroring.serve(w.store, w.dispatcher.shared, PAGES, w.installation.id, row["id"])
            for row in await w.rows(
                "SELECT id FROM trackers WHERE installation_id = :i AND due_at <= :now",
                now=w.clock(),
            )
        ]
        return any(found)

    async def rest(self, seconds: float = 200, step: float = 15) -> None:
        """Let both sides work until so much time has gone by, with this time between turns."""
        until = self.workspace.clock.at + int(seconds * SECOND)
        while self.workspace.clock.at < until:
            while await self.turn():
                pass
            await self.workspace.settle()
            self.workspace.clock.forward(step)

    async def seen(self) -> dict[str, Any]:
        (found,) = (await lead(self.workspace).call("list_trackers"))["trackers"]
        return dict(found)

    async def linked(self) -> dict[int, dict[str, Any]]:
        found = await lead(self.workspace).call("get_tracker", tracker="acme")
        return {each["number"]: each for each in found["listed"]}

    def issues(self) -> list[Issue]:
        return list(self.workspace.repository.issues.values())

    async def issue_of(self, there: GitLabIssue) -> Issue:
        task = (await self.linked())[there.iid]["task"]
        return self.workspace.repository.issues[int(task.partition("#")[2])]

    async def state(self, there: GitLabIssue) -> str:
        task = (await self.linked())[there.iid]["task"]
        found = await lead(self.workspace).call("get_task", task=task)
        return str(found["task"]["state"])


@asynccontextmanager
async def tracked(workspace: Workspace, skew_s: float = 0) -> AsyncIterator[Tracked]:
    """Without a tracker yet."""
    async with open_gitlab(lambda: workspace.clock.at, skew_s) as gitlab:
        trust(workspace, gitlab.url)
        yield Tracked(workspace, gitlab)
