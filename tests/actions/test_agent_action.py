"""The action that connects a job to Hubbub, step by step on the simulated GitHub."""

import json
import re
import subprocess
import sys

import psutil
import pytest

from bot.identity import access_tokens
from fixtures.github.runner.job_process import Patience
from store.identity import credentials
from tests.support.agent_action import GATE, ROOT, ActionSite
from tests.support.http_network import http_network

# Nothing listens there.
NOWHERE = "http://127.0.0.1:9"
# Longer than an access token lives.
LONG_S = 1000
PROGRAM = ROOT / ".github/actions/agent/program"


def errors(log: str) -> list[str]:
    """The lines that GitHub shows as errors of Hubbub."""
    return re.findall(r"^::error title=Hubbub::(.*)$", log, re.MULTILINE)


INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
)
BOTH = f"""
call list_agents '{{}}' | jq -c '.agents[0] | [.id, .system, .role]'
curl -sS "$MCP" -H "Content-Type: application/json" \\
  -H "Accept: application/json, text/event-stream" -d '{INITIALIZE}' |
  grep -o '"protocolVersion":"[^"]*"'
jq -r .mcpServers.hubbub.url "$CONFIG" | grep -qx "$MCP" && echo same
jq -r '.[1]' <<< "$CODEX" | grep -qF "$MCP" && echo same for codex
stat -c %a "$CONFIG" "$TOKEN_FILE" "$(dirname "$CONFIG")"
echo "$PROMPT" | head -n 1 | cut -c 1-13
"""


async def test_the_agent_of_a_job_calls_hubbub_without_a_token(site: ActionSite) -> None:
    run, log = await site.play(BOTH, task="acme/rocket#1", prompt="Mend it.")
    assert run.conclusion == "success", log
    lines = [each for each in log.splitlines() if not each.startswith("::add-mask::")]
    assert lines == [
        f"This job works as the agent actions-{run.id} on {site.hubbub.url}.",
        f'["actions-{run.id}","bash","developer"]',
        '"protocolVersion":"2025-06-18"',
        "same",
        "same for codex",
        *("600", "600", "700"),
        "You are the a",
        "Hubbub did not start this run, so it keeps no result of it.",
    ]


async def test_no_token_is_in_the_environment_of_the_agent_or_in_the_log(site: ActionSite) -> None:
    script = 'token=$(cat "$TOKEN_FILE")\nenv | grep -cF "$token" || true\necho "it is $token."'
    _, log = await site.play(script)
    assert "\n0\n" in log
    assert "it is ***." in log
    assert log.count("::add-mask::***") == 4  # with the token of GitHub


async def test_the_session_ends_with_its_last_step_and_the_process_with_it(
    site: ActionSite,
) -> None:
    script = 'jq .process "$(dirname "$CONFIG")/session.json"; call list_agents "{}" | jq -c keys'
    run, log = await site.play(script)
    assert run.conclusion == "success", log
    number = int(re.findall(r"^\d+$", log, re.MULTILINE)[0])
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie"
    assert await site.sessions(run) == []


# --- Renewal --------------------------------------------------------------------------------------

UNTIL_RENEWED = """
first=$(cat "$TOKEN_FILE")
until [ "$(cat "$TOKEN_FILE")" != "$first" ]; do sleep 0.05; done
curl -sS -o /dev/null -w '%{http_code}\\n' -H "Authorization: Bearer $(cat "$TOKEN_FILE")" \\
  "$SERVER/api/v1/list_agents" -d '{}'
stat -c %a "$TOKEN_FILE"
call list_agents '{}' | jq -c '[.agents[].id]'
"""


async def test_the_token_is_renewed_while_the_agent_works(
    site: ActionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "ACCESS_S", 1)
    run, log = await site.play(f"SERVER={site.hubbub.url}\n{UNTIL_RENEWED}")
    assert run.conclusion == "success", log
    assert f'200\n600\n["actions-{run.id}"]\n' in log


async def test_a_token_that_hubbub_refuses_is_renewed_within_the_call(site: ActionSite) -> None:
    run = await site.start(f"{GATE}; call list_agents {{}}")
    gate = await site.gate(run)
    site.workspace.clock.forward(LONG_S)
    gate.touch()
    assert f'"id":"actions-{run.id}"' in await site.finish(run)


async def test_after_a_lost_answer_the_job_gets_another_session(
    site: ActionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "ACCESS_S", 1)
    async with http_network(site.hubbub.url) as between:
        script = f"echo ready; SERVER={between.url}\n{UNTIL_RENEWED}"
        run = await site.start(script, {"server": between.url})
        await site.workspace.github.ci.wait_for_output(run, "ready")
        between.lost.append("/oauth/token")
        log = await site.finish(run)
    assert f'200\n600\n["actions-{run.id}"]\n' in log
    assert "had trouble: a new session, because" in log
    assert run.conclusion == "success"


async def test_a_session_that_a_person_ended_stays_ended(
    site: ActionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "ACCESS_S", 1)
    run = await site.start(f"{GATE}; until call list_agents {{}} | grep unavailable; do :; done")
    gate = await site.gate(run)
    (session,) = await site.sessions(run)
    await site.workspace.store.write(lambda tx: credentials.revoke(tx, session))
    site.workspace.clock.forward(LONG_S)
    gate.touch()
    log = await site.finish(run)
    assert "The session has ended. Start the login again." in log


# --- What goes wrong ------------------------------------------------------------------------------


async def test_a_job_without_the_permission_is_told_to_add_it(site: ActionSite) -> None:
    run, log = await site.play("echo never", {"permissions": "contents: read"})
    assert run.conclusion == "failure"
    (said,) = errors(log)
    assert said.startswith("This job may not ask GitHub for a token. Add `permissions:")
    assert "never" not in log
    assert "No session of Hubbub was started, so there is nothing to report." in log


async def test_a_server_that_cannot_be_reached_is_named(site: ActionSite) -> None:
    run, log = await site.play("echo never", {"server": NOWHERE})
    assert run.conclusion == "failure"
    (said,) = errors(log)
    assert said.startswith("Hubbub cannot be reached. 127.0.0.1:9 gave no answer:")
    assert said.endswith("Check the input `server`, and that the runner can connect to it.")


@pytest.mark.parametrize("server", ["", "hubbub.example.com", "http://hubbub.example.com"])
def test_another_address_is_refused_before_anything_is_sent(server: str) -> None:
    command = [sys.executable, "-I", str(PROGRAM), "start"]
    given = {"HUBBUB_SERVER": server}
    ended = subprocess.run(command, check=False, env=given, capture_output=True, text=True)
    (said,) = errors(ended.stdout)
    assert (ended.returncode, said.split("Pass")[0]) == (1, f"The input `server` is {server!r}. ")


async def test_a_job_that_hubbub_does_not_accept_learns_why(site: ActionSite) -> None:
    run, log = await site.play("echo never", {"settings": "actions: {workflows: []}\n"})
    assert run.conclusion == "failure"
    (said,) = errors(log)
    assert "answered 400: acme/rocket does not accept this job of GitHub Actions" in said
    assert "`actions.workflows` does not list .github/workflows/agent.yml" in said


async def test_the_address_on_the_machine_leads_only_to_the_operations(site: ActionSite) -> None:
    script = """
    get() { curl -sS -o /dev/null -w '%{http_code} ' "$@"; }
    root=${API%/api/v1}
    get "$root/oauth/token" -d grant_type=x
    get "$root/metrics"
    get "$root/api/v1/../../oauth/token" --path-as-is
    get "${root%/*}/mcp"
    get "${root%/*}/0${root##*/}/api/v1/list_agents" -d '{}'
    get "$API/list_agents" -d '{}' -H 'Authorization: Bearer other'
    get "$API/no_such_thing" -d '{}'
    """
    _, log = await site.play(script)
    assert "404 404 404 404 404 200 404" in log


async def test_a_server_that_goes_away_gives_an_error_that_says_so(site: ActionSite) -> None:
    async with http_network(site.hubbub.url) as between:
        run = await site.start(f"{GATE}; call list_agents {{}}", {"server": between.url})
        gate = await site.gate(run)
    gate.touch()
    log = await site.finish(run)
    assert '{"error": {"code": "unavailable", "message": "Hubbub gave no answer' in log


# --- Ends -----------------------------------------------------------------------------------------


async def test_an_agent_that_fails_fails_the_job(site: ActionSite) -> None:
    run, log = await site.play("exit 7")
    assert run.conclusion == "failure"
    assert errors(log) == []


async def test_a_cancelled_job_still_ends_its_session(site: ActionSite) -> None:
    site.workspace.github.ci.local_runs.patience = Patience(0.2, 0.2)
    run = await site.start("echo ready; sleep 60")
    await site.workspace.github.ci.wait_for_output(run, "ready")
    site.workspace.github.ci.cancel_run(run)
    log = await site.finish(run)
    assert run.conclusion == "cancelled"
    assert "Hubbub did not start this run" in log
