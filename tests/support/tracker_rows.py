"""Rows of foreign trackers that nobody connects to."""

from dataclasses import asdict
from typing import Any

from bot.repository.mirror_settings import Mirror
from bot.trackers import connection, sightings
from bot.trackers.foreign import Content, ForeignIssue
from store.engine.transaction import Tx
from store.tables.trackers import TrackerRow
from store.trackers import trackers
from tests.support.story import Workspace


def foreign_issue(number: int, **content: Any) -> ForeignIssue:
    given = asdict(Content(f"Title {number}", "", "tanuki", ("agent-task",), "open")) | content
    return ForeignIssue(
        str(1000 + number), number, f"https://x.example.com/{number}", 1, 1, Content(**given)
    )


async def put_tracker(workspace: Workspace, name: str, links: int = 0) -> TrackerRow:
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    row: Any = {
        "installation_id": i,
        "id": f"x_{name}",
        "name": name,
        "kind": "gitlab",
        "url": "https://gitlab.example.com",
        "project": "42",
        "project_name": "group/rocket",
        "repository_id": workspace.repository.id,
        "sealed": connection.seal(keys, i, f"x_{name}", "glpat-secret"),
        "user_id": 77,
        "state": "running",
        "version": 1,
        "health": "connected",
        "health_why": None,
        "failures": 0,
        "cursor_at": None,
        "cursor_page": 0,
        "sweep": 0,
        "sweep_page": 0,
        "sweep_at": 1,
        "etag": None,
        "rules": None,
        "seq": 0,
        "poll_at": 1,
        "due_at": None,
        "taken_until": 0,
        "limited_until": 0,
        "report_at": 0,
        "last_poll_at": None,
        "last_failure_at": None,
        "created_by": "@octocat",
        "created_at": 1,
        "updated_at": 1,
    }
    made: TrackerRow = row

    async def put(tx: Tx) -> None:
        if await trackers.get(tx, i, made["id"]) is not None:
            return  # another call of the same scene has it
        await trackers.add(tx, made)
        await sightings.store(tx, made, [foreign_issue(n) for n in range(1, links + 1)], Mirror())

    await workspace.store.write(put)
    return made
