"""Odd answers of GitHub to a write: each takes effect once, waits, or says why not.

On SQLite only, because what an answer means is decided before the database comes in.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.outbox.test_writes import sent
from tests.support.story import Town

R = {"repository": "acme/rocket"}
FILE = {"branch": "agent/new", "message": "Mend it", "files": [{"path": "a", "content": "x"}]}
COMMENTS = r"/issues/\d+/comments$"


@pytest.fixture
def store_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "hubbub.db"
    path.write_bytes(migrated_sqlite_file.read_bytes())
    return f"sqlite:///{path}"


def commits(town: Town, words: str) -> int:
    return sum(words in each.message for each in town.repository.commits.values())


async def waited(town: Town, write: Any) -> float:
    """The seconds until a write is sent."""
    began = town.clock()
    await write
    return (town.clock() - began) / 1e6


@pytest.mark.parametrize("fault", ["beside", "service_unavailable", "service_unavailable_after"])
async def test_a_commit_whose_answer_has_errors_is_made_once(town: Town, fault: str) -> None:
    agent = await town.agent("scout")
    town.github.fault("POST", r"/graphql$", fault)
    await sent(agent, town, "github_commit_files", **R, **FILE)
    assert commits(town, "Mend it") == 1


@pytest.mark.parametrize("fault", ["too_quickly", "abuse"])
async def test_what_was_written_too_quickly_is_written_a_minute_later(
    town: Town, fault: str
) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    town.github.fault("POST", COMMENTS, fault)
    here = {"issue": town.name(issue), "body": "hello"}
    assert await waited(town, sent(agent, town, "github_comment_issue", **here)) >= 60
    assert len(issue.comments) == 1
    limits = {x["name"]: x for x in (await agent.call("get_budget"))["buckets"]}
    assert "secondary" in limits
