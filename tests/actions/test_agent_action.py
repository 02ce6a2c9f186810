"""The action that connects a job to Hubbub, step by step on the simulated GitHub."""

import json
import re
import subprocess
import sys

import pytest

from bot.identity import access_tokens
from store.identity import credentials
from tests.support.agent_action import GATE, ROOT, ActionSite
from tests.support.http_network import http_network
from tests.support.local_processes import is_alive

# Nothing listens there.
NOWHERE = "http://127.0.0.1:9"
# Longer than an access token lives.
LONG_S = 3600
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
EVERYTHING = f"""
call list_agents '{{}}' | jq -c '.agents[0] | [.id, .system, .role, .capabilities]'
curl -sS "$MCP" -H "Content-Type: application/json" \\
  -H "Accept: application/json, text/event-stream" -d '{INITIALIZE}' |
  grep -o '"protocolVersion":"[^"]*"'
jq -r .mcpServers.hubbub.url "$CONFIG" | grep -qx "$MCP" && echo same
jq -r '.[1]' <<< "$CODEX" | grep -qF "$MCP" && echo same for codex
stat -c %a "$CONFIG" "$TOKEN_FILE" "$(dirname "$CONFIG")"
echo "$PROMPT" | head -n 1 | cut -c 1-13
token=$(cat "$TOKEN_FILE")
env | grep -cF "$token" || true
echo "it is $token."
jq .process "$(dirname "$CONFIG")/session.json"
"""


async def test_the_agent_of_a_job_calls_hubbub_and_never_has_the_token(site: ActionSite) -> None:
    run, log = await site.play(EVERYTHING, task="acme/rocket#1", prompt="Mend it.")
    assert run.conclusion == "success", log
    lines = log.splitlines()
    # Both tokens, the address, and GitHub's own token.
    assert lines.count("::add-mask::***") == 4
    *said, process, end = [each for each in lines if not each.startswith("::add-mask::")]
    assert said == [
        f"This job works as the agent actions-{run.id} on {site.hubbub.url}.",
        f'["actions-{run.id}","bash","developer",["bash","jq"]]',
        '"protocolVersion":"2025-06-18"',
        "same",
        "same for codex",
        *("600", "600", "700"),
        "You are the a",
        "0",
        "it is ***.",
    ]
    assert end == "Hubbub did not start this run, so it keeps no result of it."
    assert not is_alive(int(process))
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


# What a job has, and how its error begins and ends.
PROBLEMS: dict[str, tuple[dict[str, str], str, str]] = {
    "no permission": (
        {"permissions": "contents: read"},
        "This job may not ask GitHub for a token. Add `permissions:",
        "to no run that a pull request from a fork started.",
    ),
    "no server": (
        {"server": NOWHERE},
        "Hubbub cannot be reached. 127.0.0.1:9 gave no answer:",
        "Check the input `server`, and that the runner can connect to it.",
    ),
    "not allowed": (
        {"settings": "actions: {workflows: []}\n"},
        "127.0.0.1:",
        "everybody who may push to it can change them.",
    ),
}


async def test_a_job_that_gets_no_session_learns_why_and_ends(site: ActionSite) -> None:
    for name, (given, begins, ends) in PROBLEMS.items():
        run, log = await site.play("echo never", given)
        (said,) = errors(log)
        assert said.startswith(begins), name
        assert said.endswith(ends), name
        assert (run.conclusion, "never" in log) == ("failure", False), name
        assert "No session of Hubbub was started, so there is nothing to report." in log


@pytest.mark.parametrize("server", ["", "hubbub.example.com", "http://hubbub.example.com"])
def test_another_address_is_refused_before_anything_is_sent(server: str) -> None:
    command = [sys.executable, "-I", str(PROGRAM), "start"]
    given = {"HUBBUB_SERVER": server}
    ended = subprocess.run(command, check=False, env=given, capture_output=True, text=True)
    (said,) = errors(ended.stdout)
    assert (ended.returncode, said.split("Pass")[0]) == (1, f"The input `server` is {server!r}. ")


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
