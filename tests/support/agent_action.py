"""Jobs of the simulated GitHub that use the action of this repository."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from bot.repository.settings_file import PATH
from fixtures.github import WorkflowRun
from tests.support.actions import LISTED
from tests.support.server_in_process import Surface
from tests.support.story import Workspace

ROOT = Path(__file__).parents[2]
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / ".github/actions").rglob("*"))
    if path.suffix in {".yml", ".py"}
}
WORKFLOW = """\
name: Agent
run-name: Agent ${{{{ inputs.hubbub_run }}}}
on:
  workflow_dispatch:
    inputs:
      hubbub_run: {{}}
      task: {{}}
      prompt: {{}}
      model: {{}}
jobs:
  agent:
    runs-on: ubuntu-latest
    permissions: {{{permissions}}}
    env: {{HUBBUB_WAIT_S: "0"}}
    steps:
      - uses: actions/checkout@0000000000000000000000000000000000000000
      - id: hubbub
        uses: $/.github/actions/agent
        with:
          server: {server}
          audience: {audience}
          capabilities: bash, jq
          system: bash
          token-file: "true"
      - id: agent
        env:
          API: ${{{{ steps.hubbub.outputs.api-url }}}}
          MCP: ${{{{ steps.hubbub.outputs.mcp-url }}}}
          CONFIG: ${{{{ steps.hubbub.outputs.mcp-config }}}}
          CODEX: ${{{{ steps.hubbub.outputs.codex-args }}}}
          PROMPT: ${{{{ steps.hubbub.outputs.prompt }}}}
          TASK: ${{{{ inputs.task }}}}
          TOKEN_FILE: ${{{{ steps.hubbub.outputs.token-file }}}}
        run: |
{script}
      - if: always()
        uses: $/.github/actions/agent/finish
        with:
          outcome: ${{{{ steps.agent.outcome }}}}
          result-file: ${{{{ runner.temp }}}}/result.txt
"""
# Calls an operation from a step, as `call list_tasks '{}'`.
CALL = 'call() { curl -sS -H "Content-Type: application/json" "$API/$1" -d "$2"; }'
# How long a job may take, and how often a test looks, in seconds.
MOST_S, LOOK_EVERY_S = 60, 0.02
# A step waits there until the test goes on.
GATE = 'echo "ready at $PWD/gate"; until [ -e gate ]; do sleep 0.05; done'


@dataclass
class ActionSite:
    """A repository that has the action, and a Hubbub that its jobs can reach."""

    workspace: Workspace
    hubbub: Surface

    async def push(
        self,
        script: str,
        *,
        server: str = "",
        permissions: str = "contents: read, id-token: write",
        settings: str = LISTED,
    ) -> None:
        """Push the workflow of an agent that is a script of bash."""
        workflow = WORKFLOW.format(
            permissions=permissions,
            server=server or self.hubbub.url,
            audience=self.hubbub.url if server else "",
            script=indent(f"{CALL}\n{script}", " " * 10),
        )
        await self.push_files({".github/workflows/agent.yml": workflow, PATH: settings})

    async def push_files(self, files: Mapping[str, str], **given: Any) -> None:
        """Push workflows beside the action. `given`: what `github.ci.run_files` gets."""
        workspace = self.workspace
        workspace.person.push(workspace.repository, "main", {**FILES, **files})
        await workspace.settle()
        variables = {"HUBBUB_URL": self.hubbub.url}
        workspace.github.ci.run_files(workspace.repository, variables=variables, **given)

    async def start(
        self, script: str, given: Mapping[str, str] | None = None, **inputs: str
    ) -> WorkflowRun:
        """Start a job of this script. `given`: what `push` gets."""
        await self.push(script, **(given or {}))
        workspace = self.workspace
        return workspace.github.ci.dispatch(workspace.repository, "agent.yml", inputs)

    async def work_until_done(self) -> WorkflowRun:
        """Let Hubbub work while the only job that was started works. Its workflow run."""
        workspace = self.workspace
        (run,) = workspace.repository.workflow_runs.values()
        async with asyncio.timeout(MOST_S):
            while run.status != "completed":
                await workspace.settle()
                await asyncio.sleep(LOOK_EVERY_S)
        await workspace.time_passes(1)
        return run

    async def gate(self, run: WorkflowRun) -> Path:
        """Wait until a step is at GATE. It goes on when this file is there."""
        await self.workspace.github.ci.wait_for_output(run, "/gate\n")
        (found,) = re.findall(r"ready at (.*)", self.workspace.github.ci.log(run))
        return Path(found)

    async def finish(self, run: WorkflowRun) -> str:
        """Wait for its end. The log without the lines of the runner itself."""
        await self.workspace.github.ci.wait_for_local_runs()
        return "".join(f"{each}\n" for each in run.log.splitlines() if "##[group]" not in each)

    async def play(
        self, script: str, given: Mapping[str, str] | None = None, **inputs: str
    ) -> tuple[WorkflowRun, str]:
        run = await self.start(script, given, **inputs)
        return run, await self.finish(run)

    async def sessions(self, run: WorkflowRun) -> list[str]:
        """The ids of the sessions of the run that are valid."""
        rows = await self.workspace.rows(
            "SELECT id FROM credentials WHERE installation_id = :i AND actor = :actor "
            "AND kind = 'session' AND revoked_at IS NULL",
            actor=f"actions-{run.id}",
        )
        return [row["id"] for row in rows]
