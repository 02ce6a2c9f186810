"""Jobs of GitHub Actions that call Hubbub."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from bot.repository.settings_file import PATH
from bot.runs.actions_tokens import ActionsTokens, open_checker
from fixtures.github import SimulatedGitHub, WorkflowRun
from store.engine.transaction import Store
from tests.support.story import Clock, Workspace

HUBBUB = "https://hubbub.example.com"
WORKFLOW = ".github/workflows/agent.yml"
LISTED = f"actions:\n  workflows:\n    - path: {WORKFLOW}\n"


def open_tokens(
    store: Store, github: SimulatedGitHub, clock: Clock
) -> AbstractAsyncContextManager[ActionsTokens]:
    """What checks the tokens of the simulated GitHub."""
    return open_checker(store, github.oidc.url, HUBBUB, clock)


async def allow_workflow(workspace: Workspace, settings: str | None = LISTED) -> None:
    workspace.person.push(workspace.repository, "main", {PATH: settings})
    await workspace.settle()


def run_agent(workspace: Workspace, event: str = "workflow_dispatch") -> WorkflowRun:
    """A run of agent.yml on the default branch."""
    sha = workspace.repository.branches["main"]
    run = workspace.github.ci.request_run(workspace.repository, sha, "Agent", event=event)
    workspace.github.ci.start_run(run)
    return run


def token_of(workspace: Workspace, run: WorkflowRun, **changed: Any) -> str:
    return workspace.github.oidc.token(run, HUBBUB, **changed)
