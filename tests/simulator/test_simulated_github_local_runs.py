"""Dispatched workflows that run as processes of this machine."""

import json
import sys
from typing import Any

import jwt
import pytest

from fixtures.github import Input, SimulatedGitHub, WorkflowRun
from fixtures.github.runner.job_process import Patience
from tests.support.github_client import Acme, Answer
from tests.support.local_processes import is_alive
from tests.support.patience import SOON_S

RUNS = "/repos/acme/web/actions/runs"
DISPATCHES = "/repos/acme/web/actions/workflows/agent.yml/dispatches"


async def dispatch(acme: Acme, **inputs: Any) -> Answer:
    body = {"ref": "main", "inputs": inputs, "return_run_details": True}
    return await acme.call("POST", DISPATCHES, body)


async def start(acme: Acme, *command: str, **given: Any) -> WorkflowRun:
    """Dispatch a workflow that runs this command."""
    acme.github.ci.run_locally(acme.web, "agent.yml", command, **given)
    answer = await dispatch(acme, hubbub_run="r1", task="acme/web#1")
    assert answer.status == 200, answer.data
    return acme.web.workflow_runs[answer.data["workflow_run_id"]]


async def finish(acme: Acme, run: WorkflowRun) -> tuple[str, str | None]:
    await acme.github.ci.wait_for_local_runs()
    shown = (await acme.call("GET", f"{RUNS}/{run.id}")).data
    return shown["status"], shown["conclusion"]


def bash(script: str) -> tuple[str, ...]:
    return ("bash", "-c", script)


async def test_a_dispatched_job_is_a_process_from_its_start_to_its_end(acme: Acme) -> None:
    acme.github.hold_deliveries()
    run = await start(acme, *bash("echo started"))
    assert run.title == "Agent r1"
    assert await finish(acme, run) == ("completed", "success")
    assert acme.github.ci.log(run) == "started\n"
    held = acme.github.held_deliveries
    assert [(each.event, each.action) for each in held if each.event.startswith("workflow")] == [
        ("workflow_run", "requested"),
        ("workflow_job", "queued"),
        ("workflow_job", "in_progress"),
        ("workflow_run", "in_progress"),
        ("workflow_job", "completed"),
        ("workflow_run", "completed"),
    ]


async def test_a_job_has_the_variables_of_a_runner_and_none_of_ours(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_SECRET_KEY", "never to be seen in a job")
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    run = await start(acme, sys.executable, "-c", script, env={"EXTRA": "1"})
    await finish(acme, run)
    found = json.loads(acme.github.ci.log(run))
    assert {name: found.get(name) for name in EXPECTED} == EXPECTED | {
        "GITHUB_RUN_ID": str(run.id),
        "GITHUB_SHA": acme.web.branches["main"],
    }
    assert "HUBBUB_SECRET_KEY" not in found


EXPECTED = {
    "CI": "true",
    "EXTRA": "1",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "hubbub[bot]",
    "GITHUB_EVENT_NAME": "workflow_dispatch",
    "GITHUB_JOB": "agent",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "acme/web",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_RUN_ID": "",
    "GITHUB_SHA": "",
    "GITHUB_WORKFLOW_REF": "acme/web/.github/workflows/agent.yml@refs/heads/main",
    "RUNNER_OS": "Linux",
}

READS_FILES = """
jq -c .inputs "$GITHUB_EVENT_PATH"
for each in ENV OUTPUT STATE STEP_SUMMARY; do name=GITHUB_$each; test -w "${!name}"; done
test -d "$RUNNER_TEMP" && test "$PWD" = "$GITHUB_WORKSPACE"
"""


async def test_a_job_finds_its_inputs_and_the_files_of_a_runner(acme: Acme) -> None:
    run = await start(acme, *bash(f"set -e\n{READS_FILES}"))
    assert await finish(acme, run) == ("completed", "success")
    inputs = {"hubbub_run": "r1", "task": "acme/web#1", "prompt": "", "model": ""}
    assert json.loads(acme.github.ci.log(run)) == inputs


@pytest.mark.parametrize(
    ("command", "printed"),
    [(bash("echo broken >&2; exit 3"), "broken"), (("/nowhere/agent",), "No such file")],
    ids=["an exit code", "no such program"],
)
async def test_a_job_that_fails_fails_its_run(
    acme: Acme, command: tuple[str, ...], printed: str
) -> None:
    run = await start(acme, *command)
    assert await finish(acme, run) == ("completed", "failure")
    assert printed in acme.github.ci.log(run)


# What each process does when it is told to end, what its log says then, and how long the runner
# waits: not for what must come.
STOPS = {
    "it cleans up": ("trap 'echo cleaned; exit' INT", "cleaned", Patience(SOON_S, SOON_S)),
    "it needs SIGTERM": (
        "trap '' INT; trap 'echo ended; exit' TERM",
        "ended",
        Patience(0.3, SOON_S),
    ),
    "it does not listen": ("trap 'echo no' INT TERM", "no\nno", Patience(0.6, 0.6)),
}


@pytest.mark.parametrize(("trap", "printed", "patience"), STOPS.values(), ids=STOPS)
async def test_a_cancelled_job_is_told_to_end_more_and_more_firmly(
    acme: Acme, trap: str, printed: str, patience: Patience
) -> None:
    acme.github.ci.local_runs.patience = patience
    run = await start(acme, *bash(f"{trap}; echo ready; while true; do read -t 0.02 <> <(:); done"))
    await acme.github.ci.wait_for_output(run, "ready")
    answer = await acme.call("POST", f"{RUNS}/{run.id}/cancel")
    assert (answer.status, run.status) == (202, "in_progress")
    assert await finish(acme, run) == ("completed", "cancelled")
    assert acme.github.ci.log(run) == f"ready\n{printed}\n"
    assert (await acme.call("POST", f"{RUNS}/{run.id}/cancel")).status == 409


async def test_a_forced_cancel_does_not_wait(acme: Acme) -> None:
    run = await start(acme, *bash("trap 'echo cleaned' INT TERM; echo ready; sleep 60"))
    await acme.github.ci.wait_for_output(run, "ready")
    assert (await acme.call("POST", f"{RUNS}/{run.id}/force-cancel")).status == 202
    assert await finish(acme, run) == ("completed", "cancelled")
    assert acme.github.ci.log(run) == "ready\n"


async def test_a_run_that_no_runner_takes_is_cancelled_at_once(acme: Acme) -> None:
    acme.github.ci.workflow(acme.web, "agent.yml")
    answer = await dispatch(acme)
    run = acme.web.workflow_runs[answer.data["workflow_run_id"]]
    assert run.status == "queued"
    assert (await acme.call("POST", f"{RUNS}/{run.id}/cancel")).status == 202
    assert (run.status, run.conclusion) == ("completed", "cancelled")


async def test_a_job_that_takes_too_long_is_cancelled(acme: Acme) -> None:
    run = await start(acme, "sleep", "60", timeout_s=0.1)
    assert await finish(acme, run) == ("completed", "cancelled")


async def test_a_job_leaves_no_process_behind(acme: Acme) -> None:
    run = await start(acme, *bash("setsid sleep 60 >/dev/null 2>&1 & echo $!"))
    assert await finish(acme, run) == ("completed", "success")
    assert not is_alive(int(acme.github.ci.log(run)))


async def test_all_processes_end_with_the_simulated_github() -> None:
    async with SimulatedGitHub() as github:
        repository = github.repository("acme/web")
        github.ci.run_locally(repository, "agent.yml", bash("echo $$; sleep 60"))
        run = github.ci.dispatch(repository, "agent.yml")
        await github.ci.wait_for_output(run, "\n")
        number = int(github.ci.log(run))
    assert run.conclusion == "cancelled"
    assert not is_alive(number)


async def test_another_attempt_is_another_process(acme: Acme) -> None:
    run = await start(acme, *bash("echo attempt $GITHUB_RUN_ATTEMPT"))
    await finish(acme, run)
    acme.github.ci.rerun(run)
    assert await finish(acme, run) == ("completed", "success")
    assert acme.github.ci.log(run) == "attempt 1\nattempt 2\n"


# --- Tokens ---------------------------------------------------------------------------------------

ASKS = """
curl -fsS -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=https://hubbub.example.com" | jq -r .value
"""


async def test_a_job_gets_a_token_that_names_it(acme: Acme) -> None:
    run = await start(acme, *bash(ASKS))
    await finish(acme, run)
    options: Any = {"verify_signature": False}
    claims = jwt.decode(acme.github.ci.log(run).strip(), options=options)
    assert (claims["run_id"], claims["check_run_id"]) == (str(run.id), str(run.jobs[0].id))
    assert (claims["event_name"], claims["actor"]) == ("workflow_dispatch", "hubbub[bot]")


async def test_a_job_without_the_permission_gets_no_token(acme: Acme) -> None:
    run = await start(acme, *bash("env | grep -c ACTIONS_ID_TOKEN"), id_token=False)
    assert await finish(acme, run) == ("completed", "failure")
    assert acme.github.ci.log(run) == "0\n"


async def test_a_masked_value_is_not_in_the_log(acme: Acme) -> None:
    run = await start(acme, *bash("echo ::add-mask::xyz; echo it is xyz"))
    await finish(acme, run)
    assert acme.github.ci.log(run) == "::add-mask::***\nit is ***\n"


# --- Dispatches -----------------------------------------------------------------------------------

CHOICE = Input("size", type="choice", options=("small", "large"), default="small")
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an input that is not declared": (
        {"task": "7", "x": "1"},
        'Unexpected inputs provided: ["x"]',
    ),
    "a missing input": ({}, "Required input 'task' not provided"),
    "an empty input": ({"task": ""}, "Required input 'task' not provided"),
    "another choice": (
        {"task": "7", "size": "huge"},
        "Provided value 'huge' for input 'size' not in the list of allowed values",
    ),
}


@pytest.mark.parametrize(("inputs", "words"), REFUSED.values(), ids=REFUSED)
async def test_inputs_that_the_workflow_does_not_declare_are_refused(
    acme: Acme, inputs: dict[str, Any], words: str
) -> None:
    acme.github.ci.workflow(acme.web, "agent.yml", [Input("task", required=True), CHOICE])
    answer = await dispatch(acme, **inputs)
    assert (answer.status, answer.data["message"]) == (422, words)
    assert acme.web.workflow_runs == {}


async def test_a_default_stands_for_an_input_that_was_not_given(acme: Acme) -> None:
    acme.github.ci.workflow(acme.web, "agent.yml", [Input("task", required=True), CHOICE])
    answer = await dispatch(acme, task=7)
    run = acme.web.workflow_runs[answer.data["workflow_run_id"]]
    assert run.inputs == {"task": "7", "size": "small"}


async def test_an_older_server_does_not_name_the_run(acme: Acme) -> None:
    acme.github.ci.workflow(acme.web, "agent.yml", ["id"], run_name="Agent ${{ inputs.id }}")
    acme.github.never_name_dispatched_runs()
    assert (await dispatch(acme, id="r7")).status == 204
    assert [each.title for each in acme.web.workflow_runs.values()] == ["Agent r7"]
