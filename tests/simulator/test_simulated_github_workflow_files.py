"""The simulated GitHub runs the steps of workflow files."""

from textwrap import dedent
from typing import Any

import pytest

from fixtures.github import WorkflowRun
from fixtures.github.runner.expressions import BadExpression, Scope, evaluate, expand
from fixtures.github.runner.job_process import Patience
from fixtures.github.runner.workflow_files import BadWorkflow
from tests.support.github_client import Acme
from tests.support.patience import SOON_S

AGENT = ".github/workflows/agent.yml"
HEAD = """\
name: Agent
run-name: Agent ${{ inputs.hubbub_run }}
on:
  workflow_dispatch:
    inputs:
      hubbub_run: {required: true}
      task: {default: none}
permissions: {}
"""


async def play(acme: Acme, jobs: str, /, *, cancel_at: str = "", **given: Any) -> WorkflowRun:
    """Push a workflow with these jobs, run it and wait for its end."""
    files = given.pop("files", {}) | {AGENT: HEAD + dedent(jobs)}
    acme.ada.push(acme.web, "main", files)
    acme.github.ci.run_files(acme.web, **given)
    run = acme.github.ci.dispatch(acme.web, "agent.yml", {"hubbub_run": "r1"})
    if cancel_at:
        await acme.github.ci.wait_for_output(run, cancel_at)
        acme.github.ci.cancel_run(run)
    await acme.github.ci.wait_for_local_runs()
    return run


def printed(run: WorkflowRun) -> list[str]:
    """The log without the lines of the runner itself."""
    return [line for line in run.log.splitlines() if not line.startswith(("##[group]", "::add"))]


async def test_steps_pass_outputs_variables_and_paths_on(acme: Acme) -> None:
    run = await play(
        acme,
        """
        jobs:
          agent:
            runs-on: ubuntu-latest
            env: {GREETING: "hello ${{ inputs.hubbub_run }}"}
            steps:
              - id: first
                env: {TASK: "${{ inputs.task }}"}
                run: |
                  echo "$GREETING, task $TASK on $GITHUB_REF_NAME"
                  echo "short=a" >> "$GITHUB_OUTPUT"
                  { echo "long<<END"; echo "a = b"; echo "c"; echo END; } >> "$GITHUB_OUTPUT"
                  echo "KEPT=yes" >> "$GITHUB_ENV"
              - run: echo "$KEPT ${{ steps.first.outputs.short }}"; printf '%s\\n' "$LONG"
                env: {LONG: "${{ steps.first.outputs.long }}"}
              - run: echo never
                if: steps.first.outputs.short == 'b'
              - run: echo "${{ steps.first.outcome }} ${{ env.GREETING }} ${{ github.actor }}"
        """,
    )
    assert (run.title, run.conclusion) == ("Agent r1", "success")
    assert printed(run) == [
        "hello r1, task none on main",
        "yes a",
        "a = b",
        "c",
        "success hello r1 github-actions[bot]",
    ]


async def test_a_failed_step_lets_only_those_run_that_ask_for_it(acme: Acme) -> None:
    run = await play(
        acme,
        """
        jobs:
          agent:
            runs-on: ubuntu-latest
            steps:
              - run: exit 4
                continue-on-error: true
              - run: echo goes on
              - {id: broken, run: "false"}
              - run: echo never
              - {if: failure(), run: echo failed}
              - {if: "always() && steps.broken.outcome == 'failure'", run: echo always}
              - {if: cancelled(), run: echo cancelled}
        """,
    )
    assert run.conclusion == "failure"
    assert [line for line in printed(run) if "##" not in line] == ["goes on", "failed", "always"]


async def test_a_cancelled_job_still_runs_its_last_steps(acme: Acme) -> None:
    acme.github.ci.local_runs.patience = Patience(SOON_S, SOON_S)
    run = await play(
        acme,
        """
        jobs:
          agent:
            runs-on: ubuntu-latest
            steps:
              - {id: agent, run: "trap 'echo asked; exit 1' INT; echo ready; sleep 60 & wait"}
              - run: echo never
              - {if: always(), run: "echo it was ${{ steps.agent.outcome }}"}
        """,
        cancel_at="ready",
    )
    assert run.conclusion == "cancelled"
    assert [line for line in printed(run) if "##" not in line] == [
        "ready",
        "asked",
        "it was cancelled",
    ]


async def test_a_job_ends_after_its_minutes(acme: Acme) -> None:
    jobs = """
    jobs:
      agent:
        runs-on: ubuntu-latest
        timeout-minutes: 1
        steps: [{run: sleep 60}]
    """
    run = await play(acme, jobs, minute_s=0.1)
    assert run.conclusion == "cancelled"


ACTION = """\
name: Greet
inputs:
  who: {required: true}
  how: {default: "hi ${{ github.event.inputs.hubbub_run }}"}
outputs:
  said: {value: "${{ steps.say.outputs.said }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {WHO: "${{ inputs.who }}", HOW: "${{ inputs.how }}"}
      run: echo "said=$HOW $WHO" >> "$GITHUB_OUTPUT"; cat "$GITHUB_ACTION_PATH/name.txt"
"""


async def test_a_composite_action_of_the_repository_runs_from_its_commit_or_a_checkout(
    acme: Acme,
) -> None:
    files = {
        ".github/actions/greet/action.yml": ACTION,
        ".github/actions/greet/name.txt": "a file beside it\n",
    }
    jobs = """
    jobs:
      agent:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@0123456789012345678901234567890123456789
          - id: greet
            uses: ./.github/actions/greet
            with: {who: "${{ github.repository }}"}
          - run: echo "${{ steps.greet.outputs.said }}"; cat README.md
    """
    run = await play(acme, jobs, files=files)
    assert printed(run) == ["a file beside it", "hi r1 acme/web", "# web"]
    without = jobs.replace("- uses: actions/checkout@0123456789012345678901234567890123456789", "")
    run = await play(acme, without, files=files)
    assert run.conclusion == "failure"
    assert "Did you forget to run actions/checkout" in run.log
    run = await play(acme, without.replace("./", "$/").replace("; cat README.md", ""), files=files)
    assert printed(run) == ["a file beside it", "hi r1 acme/web"]


CALLED = """\
on:
  workflow_call:
    inputs:
      who: {type: string, required: true}
      often: {type: number, default: 2}
    secrets:
      key: {required: true}
jobs:
  inner:
    runs-on: ubuntu-latest
    permissions: {id-token: write}
    steps:
      - run: echo "$WHAT $KEY ${ACTIONS_ID_TOKEN_REQUEST_URL:+token}"
        env:
          KEY: ${{ secrets.key }}
          WHAT: ${{ inputs.who }} ${{ inputs.often }}
"""


@pytest.mark.parametrize(("permission", "token"), [("id-token: write", "token"), ("", "")])
async def test_a_reusable_workflow_gets_inputs_secrets_and_no_more_than_its_caller_has(
    acme: Acme, permission: str, token: str
) -> None:
    run = await play(
        acme,
        f"""
        jobs:
          agent:
            uses: $/.github/workflows/called.yml
            permissions: {{{permission}}}
            with: {{who: "${{{{ inputs.hubbub_run }}}}"}}
            secrets: {{key: "${{{{ secrets.MODEL_KEY }}}}"}}
        """,
        files={".github/workflows/called.yml": CALLED},
        secrets={"MODEL_KEY": "never printed"},
    )
    assert [each.name for each in run.jobs] == ["agent / inner"]
    assert printed(run) == [f"r1 2 *** {token}".rstrip() + ("" if token else " ")]


async def test_a_job_that_needs_another_begins_when_that_one_has_ended(acme: Acme) -> None:
    acme.github.hold_deliveries()
    run = await play(
        acme,
        """
        jobs:
          agent:
            runs-on: ubuntu-latest
            outputs: {said: "${{ steps.s.outputs.said }}"}
            steps: [{id: s, run: 'echo said=done >> "$GITHUB_OUTPUT"'}]
          report:
            needs: agent
            runs-on: ubuntu-latest
            steps: [{run: 'echo "${{ needs.agent.result }} ${{ needs.agent.outputs.said }}"'}]
          alarm:
            needs: [agent, report]
            if: failure()
            runs-on: ubuntu-latest
            steps: [{run: echo never}]
        """,
    )
    assert printed(run) == ["success done"]
    assert run.conclusion == "success"
    held = [each for each in acme.github.held_deliveries if each.event == "workflow_job"]
    assert [(each.payload["workflow_job"]["name"], each.action) for each in held] == [
        *(("agent", each) for each in ("queued", "in_progress", "completed")),
        *(("report", each) for each in ("queued", "in_progress", "completed")),
        *(("alarm", each) for each in ("queued", "completed")),
    ]


async def test_an_action_that_nothing_stands_for_fails_the_job(acme: Acme) -> None:
    jobs = "jobs:\n  agent:\n    runs-on: x\n    steps: [{uses: acme/other@v1}]\n"
    run = await play(acme, jobs)
    assert run.conclusion == "failure"
    assert "Unable to resolve action `acme/other`" in run.log


async def test_jobs_that_need_each_other_are_no_workflow(acme: Acme) -> None:
    jobs = "jobs:\n  a: {needs: b, steps: []}\n  b: {needs: a, steps: []}\n"
    with pytest.raises(BadWorkflow):
        await play(acme, jobs)


# --- Expressions ----------------------------------------------------------------------------------

CONTEXTS = {
    "inputs": {"task": "acme/web#1", "empty": "", "agent-name": "fixer"},
    "steps": {"a": {"outputs": {"n": "3"}, "outcome": "failure"}},
    "github": {"event": {"labels": ["bug", "Docs"]}},
}
VALUES: dict[str, Any] = {
    "inputs.task": "acme/web#1",
    "inputs['agent-name']": "fixer",
    "inputs.agent-name": "fixer",
    "inputs.none.deeper": None,
    "inputs.TASK": "acme/web#1",
    "'it''s'": "it's",
    "1 == '1'": True,
    "'A' == 'a'": True,
    "null == ''": True,
    "2 > 10 || 3 <= 3": True,
    "inputs.empty || 'default'": "default",
    "inputs.task && 'given' || 'not given'": "given",
    "!inputs.empty": True,
    "!(true && false)": True,
    "steps.a.outcome != 'success' && always()": True,
    "success()": True,
    "contains(github.event.labels, 'docs')": True,
    "contains(inputs.task, 'WEB')": True,
    "startsWith(inputs.task, 'acme/')": True,
    "endsWith(inputs.task, '#2')": False,
    "format('{0}: {{{1}}}', inputs.task, 3)": "acme/web#1: {3}",
    "join(github.event.labels, '+')": "bug+Docs",
    "fromJSON('[1, 2]')[1]": 2,
    "toJSON(fromJSON('[1]'))": "[\n  1\n]",
    "github.event.labels[0]": "bug",
    "github.event.labels[7]": None,
}
STATUS = {"always": lambda: True, "success": lambda: True}


@pytest.mark.parametrize(("expression", "value"), VALUES.items(), ids=VALUES)
def test_an_expression_has_the_value_that_github_documents(expression: str, value: Any) -> None:
    assert evaluate(expression, Scope(CONTEXTS, STATUS)) == value


@pytest.mark.parametrize("expression", ["secret.x", "1 +", "(1", "a b", "run('rm')", "'open", ""])
def test_another_expression_is_refused(expression: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(expression, Scope(CONTEXTS))


def test_a_text_around_an_expression_stays_a_text() -> None:
    given = {"a": ["${{ fromJSON('3') }}", "n=${{ 1 == 1 }}!", 7], "b": "${{ 1 == 1 }}"}
    assert expand(given, Scope({})) == {"a": [3, "n=true!", 7], "b": True}
