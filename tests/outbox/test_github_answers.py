"""Odd answers of GitHub to a write: each takes effect once, waits, or says why not.

On SQLite only, because what an answer means is decided before the database comes in.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.outbox.test_writes import send
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
FILE = {"branch": "agent/new", "message": "Mend it", "files": [{"path": "a", "content": "x"}]}
COMMENTS = r"/issues/\d+/comments$"


@pytest.fixture
def store_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "hubbub.db"
    path.write_bytes(migrated_sqlite_file.read_bytes())
    return f"sqlite:///{path}"


def commits(workspace: Workspace, words: str) -> int:
    return sum(words in each.message for each in workspace.repository.commits.values())


async def waiting_time(workspace: Workspace, write: Any) -> float:
    """The seconds until a write is sent."""
    began = workspace.clock()
    await write
    return (workspace.clock() - began) / 1e6


@pytest.mark.parametrize("fault", ["beside", "service_unavailable", "service_unavailable_after"])
async def test_a_commit_whose_answer_has_errors_is_made_once(
    workspace: Workspace, fault: str
) -> None:
    agent = await workspace.agent("scout")
    workspace.github.fault("POST", r"/graphql$", fault)
    await send(agent, workspace, "github_commit_files", **R, **FILE)
    assert commits(workspace, "Mend it") == 1


@pytest.mark.parametrize("fault", ["too_quickly", "abuse"])
async def test_what_was_written_too_quickly_is_written_a_minute_later(
    workspace: Workspace, fault: str
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", COMMENTS, fault)
    here = {"issue": workspace.name(issue), "body": "hello"}
    assert (
        await waiting_time(workspace, send(agent, workspace, "github_comment_issue", **here)) >= 60
    )
    assert len(issue.comments) == 1
    limits = {x["name"]: x for x in (await agent.call("get_budget"))["buckets"]}
    assert "secondary" in limits
