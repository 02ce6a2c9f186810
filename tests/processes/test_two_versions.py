"""The version before and this one side by side, as during a rolling update."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fixtures.github import SimulatedGitHub
from store.engine import schema_version
from store.engine.migrate import upgrade
from tests.store.test_upgrade import FORMER
from tests.support.server_process import Serving, serving, wait_until_processed
from tests.support.story import PERMISSIONS

ROOT = Path(__file__).parents[2]
# The commit of the version before. After each release: its tag.
VERSION_BEFORE = "8b2af9eb"
PACKAGES = ("bot", "store", "webhooks", "mcp_server", "fixtures")


@pytest.fixture
def version_before(tmp_path: Path) -> Path:
    """A folder with the packages of the version before."""
    asked = ["git", "-C", str(ROOT), "archive", VERSION_BEFORE, *PACKAGES]
    found = subprocess.run(asked, check=False, capture_output=True)
    if found.returncode:
        pytest.skip(f"needs the history of the repository, with {VERSION_BEFORE}")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


async def call(server: Serving, token: str, operation: str, **given: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/api/v1/{operation}", json=given) as answer,
    ):
        found: dict[str, Any] = await answer.json()
        assert answer.status == 200, (operation, found)
        return found


def without_times(found: Any) -> Any:
    """What two servers must answer alike, a moment apart."""
    if isinstance(found, dict):
        left = {
            "as_of",
            "notices",
            "last_active_at",
            "expires_at",
            "next_cursor",
            "lease_ends_in_s",
        }
        return {k: without_times(v) for k, v in found.items() if k not in left}
    return [without_times(each) for each in found] if isinstance(found, list) else found


def without_additions(found: Any, before: Any) -> Any:
    """An answer without the fields that the version before does not have."""
    if isinstance(found, dict) and isinstance(before, dict):
        return {key: without_additions(found[key], before[key]) for key in before if key in found}
    if isinstance(found, list) and isinstance(before, list):
        return [
            without_additions(each, before[at]) if at < len(before) else each
            for at, each in enumerate(found)
        ]
    return found


async def test_two_versions_work_on_one_database_and_answer_alike_on_mysql(
    mariadb: Any, version_before: Path, tmp_path: Path
) -> None:
    """Several servers share a MySQL. The version before has started, then this one migrates."""
    url = mariadb.create()
    upgrade(url, FORMER)
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/rocket", private=True)
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        here = github.install("acme", ["acme/rocket"], permissions=dict(PERMISSIONS)).id
        old_code: dict[str, Any] = {"PYTHONPATH": str(version_before)}
        async with serving(tmp_path, url, github, **old_code) as old:
            assert schema_version.revision(url) == FORMER
            github.app.webhook_url = f"{old.url}/webhooks/github"
            ada, bob = await old.tokens(here, ["ada", "bob"])
            for token, name in ((ada, "ada"), (bob, "bob")):
                await call(old, token, "register_agent", agent_id=name, name=name)
            person.open_issue(repository, "First", labels=["agent-task"])
            await github.wait_for_deliveries()
            await wait_until_processed(url)
            async with serving(tmp_path, url, github) as new:
                assert schema_version.revision(url) == schema_version.newest()
                await _work_on_both(old, new, ada, bob)
                github.app.webhook_url = f"{new.url}/webhooks/github"
                person.open_issue(repository, "Second", labels=["agent-task"])
                await github.wait_for_deliveries()
                await wait_until_processed(url)
                for server in (old, new):
                    titles = [t["title"] for t in (await call(server, ada, "list_tasks"))["tasks"]]
                    assert sorted(titles) == ["First", "Second"]
                assert await new.stop() == 0
            assert await old.stop() == 0
        logs = [each.read_text() for each in (old.log, new.log)]
        assert [line for log in logs for line in log.splitlines() if "error" in line.lower()] == []


async def _work_on_both(old: Serving, new: Serving, ada: str, bob: str) -> None:
    """A task goes from agent to agent and from server to server. Both answer reads alike."""
    task = "acme/rocket#1"
    first = await call(old, ada, "claim_task", task=task)
    message = await call(new, ada, "send_message", to="bob", body="Yours in a moment.", task=task)
    made = await call(new, ada, "create_context", name="notes", content="It sticks.")
    await call(old, ada, "release_task", task=task, fence=first["fence"])
    second = await call(new, bob, "claim_task", task=task)
    assert second["fence"] > first["fence"]
    (letter,) = (await call(old, bob, "get_messages"))["messages"]
    assert (letter["id"], letter["body"]) == (message["message_id"], "Yours in a moment.")
    for operation, given in (
        ("get_task", {"task": task}),
        ("list_tasks", {}),
        ("list_agents", {}),
        ("get_context", {"context_id": made["context"]["id"]}),
        ("explain_task", {"task": task}),
    ):
        answers = [without_times(await call(each, ada, operation, **given)) for each in (old, new)]
        before, now = answers
        assert before == without_additions(now, before), f"{operation} changed for older clients"
