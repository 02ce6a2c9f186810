"""Agent runs of acme/rocket: templates, and the agents of started workflows."""

from typing import Any

from bot.repository.settings_file import PATH
from fixtures.github import WorkflowRun
from fixtures.github.ci import AGENT_INPUTS, AGENT_RUN_NAME
from store.engine.origins import Origin
from tests.support.actions import HUBBUB, open_tokens, token_of
from tests.support.story import Agent, Workspace

FILE = "agent.yml"
FIXER = f"templates:\n  fixer:\n    workflow: {FILE}\n"


async def set_templates(
    workspace: Workspace, settings: str = FIXER, run_name: str = AGENT_RUN_NAME
) -> None:
    """Declare agent.yml on GitHub, and the settings of the repository."""
    workspace.github.ci.workflow(workspace.repository, FILE, AGENT_INPUTS, run_name=run_name)
    workspace.person.push(workspace.repository, "main", {PATH: settings})
    await workspace.settle()


async def stored_runs(workspace: Workspace, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of all agent runs, oldest first."""
    rows = await workspace.rows(
        f"SELECT {', '.join(columns)} FROM agent_runs WHERE installation_id = :i ORDER BY id"
    )
    return [tuple(row.values()) for row in rows]


def workflow_run(workspace: Workspace, run_id: str) -> WorkflowRun:
    """The workflow run that was dispatched for the agent run."""
    (found,) = [
        each
        for each in workspace.repository.workflow_runs.values()
        if each.inputs.get("hubbub_run") == run_id
    ]
    return found


async def begin(workspace: Workspace, run: dict[str, Any]) -> Agent:
    """Start the workflow run of an agent run. Return its agent, registered."""
    await workspace.settle()
    started = workflow_run(workspace, run["run_id"])
    workspace.github.ci.start_run(started)
    await workspace.settle()
    return await enter(workspace, started, run["run_id"])


async def enter(workspace: Workspace, run: WorkflowRun, run_id: str = "") -> Agent:
    """The agent of a job, which has exchanged the job's token for a session."""
    token = token_of(workspace, run)
    async with open_tokens(workspace.store, workspace.github, workspace.clock) as checker:
        issued = await checker.exchange(
            workspace.dispatcher.shared.keys,
            token,
            workspace.clock(),
            audience=HUBBUB,
            origin=Origin(),
            run_id=run_id,
        )
        verified = await checker.verify(token_of(workspace, run), workspace.clock())
    assert verified.actor.name == issued.grant.actor
    agent = Agent(workspace.dispatcher, verified.actor)
    await agent.call("register_agent", agent_id=agent.actor.name, name="Job")
    return agent


async def spawn(by: Agent, **arguments: Any) -> dict[str, Any]:
    given = {"template": "fixer", **arguments}
    return dict((await by.call("spawn_agent", **given))["run"])
