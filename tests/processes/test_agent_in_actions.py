"""The whole of an agent in GitHub Actions, with `hubbub serve` in a process of its own."""

import asyncio
import socket
from pathlib import Path

from bot.repository.settings_file import PATH
from fixtures.github import Pull, Repository, SimulatedGitHub
from tests.support.agent_action import FILES, ROOT
from tests.support.agent_runs import FIXER
from tests.support.server_process import serving

RECIPES = ROOT / "docs/how-to/actions"
MOST_S = 120


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


async def pull_of(repository: Repository) -> Pull:
    async with asyncio.timeout(MOST_S):
        while not repository.pulls:  # noqa: ASYNC110 - another process opens it
            await asyncio.sleep(0.05)
    (found,) = repository.pulls.values()
    return found


async def test_a_person_assigns_an_agent_and_merges_what_its_job_proposed(
    tmp_path: Path, sqlite_url: str
) -> None:
    """The recipe for a program of one's own, unchanged, from /assign to the merge."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    own = {"HUBBUB_PORT": str(port), "HUBBUB_PUBLIC_URL": address}
    async with SimulatedGitHub() as github, serving(tmp_path, sqlite_url, github, **own):
        github.app.webhook_url = f"{address}/webhooks/github"
        repository = github.repository("acme/rocket", private=True)
        octocat = github.person("octocat", permissions={"acme/rocket": "admin"})
        github.install("acme", ["acme/rocket"])
        files = {
            **FILES,
            ".github/workflows/agent.yml": (RECIPES / "script.yml").read_text(),
            "tools/agent.sh": (RECIPES / "agent.sh").read_text(),
            "launch.py": "print(3)\n",
            PATH: FIXER,
        }
        octocat.push(repository, "main", files)
        github.ci.run_files(repository, variables={"HUBBUB_URL": address})
        issue = octocat.open_issue(repository, "List the sources", labels=["agent-task"])
        await github.wait_for_deliveries()
        octocat.comment(issue, "/assign fixer")
        pull = await pull_of(repository)
        await github.ci.wait_for_local_runs()
        (run,) = repository.workflow_runs.values()
        assert run.conclusion == "success", run.log
        assert f"Opened pull request #{pull.number}." in run.log
        head = repository.commits[repository.branches["list-sources"]]
        assert head.files["SOURCES.txt"] == "./launch.py\n"
        assert pull.user.login == "hubbub[bot]"
        assert f"Closes #{issue.number}" in (pull.body or "")
        octocat.merge(pull)
        await github.wait_for_deliveries()
        assert issue.state == "closed"
        assert "ghs_simulated" not in run.log
