"""The agents of the tutorial, as programs of their own at a `hubbub serve`."""

import asyncio
import os
import sys
from pathlib import Path

from fixtures.github import SimulatedGitHub
from tests.support.server_process import serving, wait_until_processed

AGENTS = Path(__file__).parents[2] / "docs/tutorials/agents"


async def run(program: str, url: str, agent_id: str, token: str) -> str:
    """Run the agent until no task is ready, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        AGENTS / program,
        url,
        agent_id,
        env=os.environ | {"HUBBUB_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_the_agents_of_the_tutorial_bring_each_task_into_review(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/rocket")
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        async with serving(tmp_path, sqlite_url, github) as server:
            github.app.webhook_url = f"{server.url}/webhooks/github"
            installation = github.install("acme", repositories=["acme/rocket"])
            for title in ("Count down", "Ring the bell"):
                person.open_issue(repository, title, labels=["agent-task"])
            await github.wait_for_deliveries()
            await wait_until_processed(sqlite_url)
            writer, mender = await server.tokens(installation.id, ["writer", "mender"])
            printed = await asyncio.gather(
                run("agent_rest.py", server.url, "writer", writer),
                run("agent_mcp.py", server.url, "mender", mender),
            )
            pulls = [each.title for each in repository.pulls.values()]
            assert sorted(pulls) == ["Count down", "Ring the bell"]
            assert all(each.endswith("No task is ready.\n") for each in printed)
            assert "".join(printed).count("is in review: pull request ") == 2
            assert await server.stop() == 0


def test_each_agent_of_the_tutorial_is_short() -> None:
    for each in AGENTS.glob("*.py"):
        code = [line for line in each.read_text().splitlines() if line.strip()]
        assert len(code) <= 50, each.name
