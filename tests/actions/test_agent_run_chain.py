"""From /assign to the result: a person, Hubbub, GitHub, a job and its agent."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bot.repository.settings_file import PATH
from fixtures.github import Issue
from fixtures.github.runner.job_process import Patience
from tests.support.agent_action import ROOT, ActionSite
from tests.support.agent_runs import FIXER, stored_runs

CLAIMS = """
call claim_task "$(jq -n --arg task "$TASK" '{task: $task}')" | jq -c '[.task.task, .fence]'
echo "I mended it." > "$RUNNER_TEMP/result.txt"
"""
RECIPES = ROOT / "docs/how-to/actions"
REUSABLE = ".github/workflows/hubbub-agent.yml"


async def assign(site: ActionSite) -> Issue:
    """A person writes /assign fixer on an issue."""
    workspace = site.workspace
    issue = await workspace.task("Mend it")
    workspace.person.comment(issue, "/assign fixer")
    await workspace.settle()
    return issue


async def ended(site: ActionSite) -> tuple[Any, ...]:
    """How the one agent run ended."""
    (row,) = await stored_runs(site.workspace, "state", "outcome", "result", "workflow_run_id")
    return row


async def test_a_person_assigns_a_task_and_the_job_reports_its_result(site: ActionSite) -> None:
    await site.push(CLAIMS, settings=FIXER)
    issue = await assign(site)
    run = await site.work_until_done()
    assert run.conclusion == "success", run.log
    assert f'["acme/rocket#{issue.number}",1]' in run.log
    assert await ended(site) == ("succeeded", "success", "I mended it.", run.id)
    assert run.title is not None
    assert run.title.startswith("Agent r")
    (name,) = await site.workspace.rows(
        "SELECT a.id, a.name FROM agents a JOIN agent_runs r ON r.installation_id = "
        "a.installation_id AND r.agent_id = a.id WHERE a.installation_id = :i"
    )
    assert name["id"].startswith("actions-fixer-")


async def test_a_job_binds_itself_where_github_does_not_name_the_run(site: ActionSite) -> None:
    site.workspace.github.never_name_dispatched_runs()
    await site.push(CLAIMS, settings=FIXER)
    await assign(site)
    run = await site.work_until_done()
    assert await ended(site) == ("succeeded", "success", "I mended it.", run.id), run.log


HOSTILE = '"; touch a.pwned; $(touch b.pwned) `touch c.pwned` ${{ github.token }}\nEOF\n::error::x'


async def test_a_prompt_is_never_run_by_the_shell(site: ActionSite) -> None:
    prompt = f"{FIXER}    prompt: {json.dumps(HOSTILE)}\n"
    await site.push('ls; printenv PROMPT | base64 -w0 > "$RUNNER_TEMP/result.txt"', settings=prompt)
    await assign(site)
    run = await site.work_until_done()
    state, outcome, result, _ = await ended(site)
    assert (state, outcome) == ("succeeded", "success"), run.log
    assert HOSTILE in base64.b64decode(result).decode()
    assert "pwned\n" not in run.log


async def test_a_last_message_that_was_cut_inside_of_a_character_is_reported(
    site: ActionSite,
) -> None:
    said = r'[{"type": "result", "result": "Mended \\ud83d"}]'
    cut = f"""printf '{said}' > "$RUNNER_TEMP/result.txt" """
    await site.push(cut, settings=FIXER)
    await assign(site)
    run = await site.work_until_done()
    assert (await ended(site))[:3] == ("succeeded", "success", "Mended ?"), run.log


async def test_an_agent_that_fails_is_reported_as_a_failure(site: ActionSite) -> None:
    await site.push("exit 3", settings=FIXER)
    await assign(site)
    run = await site.work_until_done()
    said = "The agent left no final message. Its step ended with: failure."
    assert await ended(site) == ("failed", "failure", said, run.id), run.log


async def test_a_run_that_a_person_cancels_reports_what_it_has(site: ActionSite) -> None:
    await site.push(f"{CLAIMS}\necho ready; sleep 60 & wait", settings=FIXER)
    await assign(site)
    (run,) = site.workspace.repository.workflow_runs.values()
    await site.workspace.github.ci.wait_for_output(run, "ready")
    site.workspace.github.ci.cancel_run(run)
    await site.work_until_done()
    assert await ended(site) == ("cancelled", "failure", "I mended it.", run.id), run.log


TURNS = [
    {"type": "system"},
    {
        "type": "result",
        "is_error": False,
        "result": "The tests pass.",
        "modelUsage": {
            "claude-sonnet-5": {
                "inputTokens": 10,
                "outputTokens": 20,
                "cacheReadInputTokens": 300,
                "cacheCreationInputTokens": 5,
                "costUSD": 0.0625,
            }
        },
    },
]
# In the place of the published actions: they speak to Hubbub as the clients do, and give the
# outputs that the real ones document.
CLAUDE = """
read -r config <<< "$(sed -nE 's/.*--mcp-config ([^ ]+).*/\\1/p' <<< "$ARGS" | head -n 1)"
url=$(jq -r .mcpServers.hubbub.url "$config")
case "$ARGS" in *"--strict-mcp-config"*"--model claude-opus-5"*) ;; *) exit 9 ;; esac
"""
CODEX = """
url=$(jq -r '.[1] | ltrimstr("mcp_servers.hubbub.url=") | fromjson' <<< "$ARGS")
jq -e 'index("mcp_servers.hubbub.default_tools_approval_mode=\\"approve\\"")' <<< "$ARGS"
"""
CALLS = """
call() {
  curl -sS "$url" -H "Content-Type: application/json" -H "MCP-Protocol-Version: 2025-06-18" \\
    -H "Accept: application/json, text/event-stream" \\
    -d "{\\"jsonrpc\\":\\"2.0\\",\\"id\\":1,\\"method\\":\\"tools/call\\",\\"params\\":$1}"
}
task=$(grep -oE 'Work on the task [^ ]+' <<< "$PROMPT" | sed 's/.* //; s/\\.$//')
call "$(jq -n --arg task "$task" '{name: "claim_task", arguments: {task: $task}}')" |
  grep -o "fence[^,]*," | head -n 1
"""


def stand_in(folder: Path, inputs: str, script: str, outputs: dict[str, str]) -> Path:
    """A composite action: `inputs` maps its variables to the names of its inputs."""
    folder.mkdir()
    variables = dict(each.split("=") for each in inputs.split())
    step = {
        "id": "run",
        "shell": "bash",
        "env": {
            name: f"${{{{ inputs['{each}'] || inputs.{each} }}}}"
            for name, each in variables.items()
        },
        "run": script,
    }
    described = {name: {"value": f"${{{{ steps.run.outputs.{name} }}}}"} for name in outputs}
    prints = "".join(f"\necho '{name}={each}' >> $GITHUB_OUTPUT" for name, each in outputs.items())
    step["run"] = script + prints
    runs = {"using": "composite", "steps": [step]}
    (folder / "action.yml").write_text(json.dumps({"outputs": described, "runs": runs}))
    return folder


MODEL = f"{FIXER}    model: claude-opus-5\n"
CASES = {
    "the reusable workflow with Claude Code": ("agent.yml", "claude"),
    "Claude Code": ("claude-code.yml", "claude"),
    "Codex": ("codex.yml", "codex"),
}


@pytest.mark.parametrize(("recipe", "agent"), CASES.values(), ids=CASES)
async def test_each_recipe_works_up_to_the_model(
    site: ActionSite, tmp_path: Path, recipe: str, agent: str
) -> None:
    turns = tmp_path / "turns.json"
    turns.write_text(json.dumps(TURNS))
    actions = {
        "anthropics/claude-code-action/base-action": stand_in(
            tmp_path / "claude",
            "ARGS=claude_args PROMPT=prompt KEY=anthropic_api_key",
            f'test "$KEY" = sk-1\n{CLAUDE}{CALLS}',
            {"execution_file": str(turns)},
        ),
        "openai/codex-action": stand_in(
            tmp_path / "codex",
            "ARGS=codex-args PROMPT=prompt KEY=openai-api-key BOTS=allow-bot-users",
            f'test "$KEY $BOTS" = "sk-2 hubbub"\n{CODEX}{CALLS}',
            {"final-message": "The tests pass."},
        ),
    }
    await site.push_files(
        {
            ".github/workflows/agent.yml": (RECIPES / recipe).read_text(),
            REUSABLE: (ROOT / REUSABLE).read_text(),
            PATH: MODEL,
        },
        actions=actions,
        secrets={"ANTHROPIC_API_KEY": "sk-1", "OPENAI_API_KEY": "sk-2"},
    )
    await assign(site)
    run = await site.work_until_done()
    assert await ended(site) == ("succeeded", "success", "The tests pass.", run.id), run.log
    assert 'fence\\":1' in run.log or '"fence":1' in run.log
    used = await site.workspace.rows("SELECT * FROM usage_reports WHERE installation_id = :i")
    amounts = [(row["model"], row["input_tokens"], row["output_tokens"]) for row in used]
    assert amounts == ([("claude-sonnet-5", 15, 20)] if agent == "claude" else [])


IGNORES = "trap 'echo asked' INT; while true; do read -t 0.05 <> <(:) || true; done"


async def test_a_run_that_is_terminated_ends_with_its_process(site: ActionSite) -> None:
    site.workspace.github.ci.local_runs.patience = Patience(0.2, 0.2)
    await site.push(f"{CLAIMS}\necho ready\n{IGNORES}", settings=FIXER)
    await assign(site)
    (run,) = site.workspace.repository.workflow_runs.values()
    await site.workspace.github.ci.wait_for_output(run, "ready")
    await site.workspace.settle()
    lead = await site.workspace.agent("lead", "tech-lead")
    (known,) = await stored_runs(site.workspace, "id")
    await lead.call("terminate_agent", run_id=known[0], note="not needed")
    await site.workspace.time_passes(3 * 60)
    await site.work_until_done()
    state, *_ = await ended(site)
    assert (state, run.conclusion) == ("cancelled", "cancelled"), run.log
