"""Jobs of GitHub Actions on the surfaces of the server, over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from bot.identity.actions.github_oidc import LEEWAY
from fixtures.github.oidc import JWKS, OtherAnswer
from tests.support.actions import HUBBUB, allow_workflow, open_tokens, run_agent, token_of
from tests.support.patience import SOON_S
from tests.support.server_in_process import Answer, Surface, serving
from tests.support.story import Clock, Workspace
from webhooks.addresses import Addresses
from webhooks.connection import Patience
from webhooks.oauth.server import OAuthServer

# Longer than anything takes, in seconds.


@pytest.fixture
async def hubbub(workspace: Workspace, clock: Clock) -> AsyncIterator[Surface]:
    """A server that looks often for tokens that ended."""
    await allow_workflow(workspace)
    patience = Patience(look_every_s=0.01)
    async with (
        open_tokens(workspace.store, workspace.github, clock) as checker,
        serving(
            workspace.store,
            workspace.installation.id,
            patience,
            keys=workspace.dispatcher.shared.keys,
            addresses=Addresses(HUBBUB),
            verifiers=[checker],
            oauth=OAuthServer(workspace.store, workspace.dispatcher.shared.keys, actions=checker),
        ) as surface,
    ):
        yield surface


async def call_mcp(surface: Surface, token: str, tool: str, **arguments: Any) -> Answer:
    return await surface.send(
        "POST",
        "/mcp",
        json={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        },
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-06-18",
        },
    )


async def test_a_job_calls_by_rest_by_mcp_and_by_websocket(
    workspace: Workspace, hubbub: Surface
) -> None:
    run = run_agent(workspace)
    token, name = token_of(workspace, run), f"actions-{run.id}"
    registered = await hubbub.call(token, "register_agent", agent_id=name, name="In Actions")
    assert (registered.status, registered.data["agent"]["id"]) == (200, name)
    found = await call_mcp(hubbub, token, "get_agent", agent_id=name)
    assert found.data["result"]["structuredContent"]["agent"]["role"] == "developer"
    headers = {"Authorization": f"Bearer {token}"}
    async with hubbub.client.ws_connect(f"{hubbub.url}/ws", headers=headers) as opened:
        await opened.send_json({"type": "call", "id": 1, "operation": "list_agents"})
        answer = await opened.receive_json(timeout=SOON_S)
        assert [each["id"] for each in answer["result"]["agents"]] == [name]


async def test_an_agent_of_a_job_is_no_other_agent(workspace: Workspace, hubbub: Surface) -> None:
    token = token_of(workspace, run_agent(workspace))
    refused = await hubbub.call(token, "register_agent", agent_id="scout", name="Scout")
    assert (refused.status, refused.code) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/mcp", "/api/v1/list_agents", "/ws"])
async def test_a_token_for_another_server_is_refused_everywhere(
    workspace: Workspace, hubbub: Surface, path: str
) -> None:
    run = run_agent(workspace)
    token = workspace.github.oidc.token(run, "https://github.com/acme")
    method = "GET" if path == "/ws" else "POST"
    headers = {"Authorization": f"Bearer {token}"}
    refused = await hubbub.send(method, path, json={}, headers=headers)
    assert (refused.status, refused.code) == (401, "unauthenticated")
    assert refused.data["error"]["message"] == (
        "The token of GitHub Actions is not valid. The token is for another audience. Request a "
        f"token with the audience {HUBBUB}."
    )
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_job_that_is_not_accepted_learns_who_can_change_that(
    workspace: Workspace, hubbub: Surface
) -> None:
    run = run_agent(workspace, event="issue_comment")
    refused = await hubbub.call(token_of(workspace, run), "list_agents")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert refused.data["error"]["message"].endswith(
        "The settings are in .github/hubbub.yml on the branch main; everybody who may push to it "
        "can change them."
    )


async def test_without_githubs_keys_a_job_is_asked_to_come_again(
    workspace: Workspace, hubbub: Surface
) -> None:
    workspace.github.oidc.answers[JWKS] = OtherAnswer(status=500)
    token = token_of(workspace, run_agent(workspace))
    refused = await hubbub.call(token, "list_agents")
    assert (refused.status, refused.code) == (503, "unavailable")
    assert refused.headers["Retry-After"] == "5"


async def test_strangers_cannot_make_hubbub_ask_github_again_and_again(
    workspace: Workspace, hubbub: Surface
) -> None:
    run, issuer = run_agent(workspace), workspace.github.oidc
    await hubbub.call(token_of(workspace, run), "list_agents")
    workspace.clock.forward(60)
    for _ in range(5):
        issuer.rotate()
        token = token_of(workspace, run)
        issuer.published.pop()
        refused = await hubbub.call(token, "list_agents")
        assert (refused.status, refused.code) == (401, "unauthenticated")
    assert issuer.requests.count(JWKS) == 2


async def test_a_socket_ends_with_the_token_that_opened_it(
    workspace: Workspace, hubbub: Surface
) -> None:
    headers = {"Authorization": f"Bearer {token_of(workspace, run_agent(workspace))}"}
    async with hubbub.client.ws_connect(f"{hubbub.url}/ws", headers=headers) as opened:
        workspace.clock.forward(300 + LEEWAY)
        closed = await opened.receive(timeout=SOON_S)
        assert (closed.type, closed.data) == (
            WSMsgType.CLOSE,
            aiohttp.WSCloseCode.POLICY_VIOLATION,
        )


# --- Exchange ------------------------------------------------------------------------------------

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPES = "urn:ietf:params:oauth:token-type:"


async def exchange(surface: Surface, token: str, **changed: str) -> Answer:
    fields = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": f"{TYPES}jwt",
        **changed,
    }
    return await surface.send("POST", "/oauth/token", data=fields)


async def test_a_job_exchanges_its_token_for_a_session_and_refreshes_it(
    workspace: Workspace, hubbub: Surface
) -> None:
    run = run_agent(workspace)
    given = await exchange(hubbub, token_of(workspace, run))
    tokens = {"access_token", "refresh_token"}
    assert {name: each for name, each in given.data.items() if name not in tokens} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "hubbub",
        "issued_token_type": f"{TYPES}access_token",
        "agent_id": f"actions-{run.id}",
    }
    for _ in range(2):
        called = await hubbub.call(given.data["access_token"], "list_agents")
        assert called.status == 200
        given = await hubbub.send(
            "POST",
            "/oauth/token",
            data={
                "grant_type": "refresh_token",
                "client_id": "github-actions",
                "refresh_token": given.data["refresh_token"],
            },
        )
        assert given.status == 200
    called = await call_mcp(hubbub, given.data["access_token"], "list_agents")
    assert called.data["result"]["structuredContent"] == {"agents": []}


async def test_the_audit_says_which_run_started_a_session(
    workspace: Workspace, hubbub: Surface
) -> None:
    run = run_agent(workspace)
    await exchange(hubbub, token_of(workspace, run))
    rows = await workspace.rows(
        "SELECT * FROM audit WHERE installation_id = :i AND operation = 'credential.created' "
        "ORDER BY seq"
    )
    assert [(row["actor"], row["surface"]) for row in rows] == [
        (f"actions-{run.id}", "oauth"),
        (f"actions-{run.id}", "oauth"),
    ]


async def test_a_used_token_and_a_job_that_is_not_accepted_get_no_session(
    workspace: Workspace, hubbub: Surface
) -> None:
    token = token_of(workspace, run_agent(workspace))
    await exchange(hubbub, token)
    said = [await exchange(hubbub, token)]
    said.append(await exchange(hubbub, token_of(workspace, run_agent(workspace, "issues"))))
    assert [(each.status, each.data["error"]) for each in said] == [(400, "invalid_request")] * 2
    used, other = (each.data["error_description"] for each in said)
    assert used.startswith("This token of GitHub Actions has started a session before")
    assert other.startswith("acme/rocket does not accept this job of GitHub Actions")


OTHERS: dict[str, dict[str, str]] = {
    "nothing": {"subject_token": ""},
    "an API key": {"subject_token": "hubbub_0_x"},
    "no JSON web token": {"subject_token": "eyJ.eyJ.x"},
    "a huge text": {"subject_token": "x" * 9000},
    "characters of no token": {"subject_token": "\u00e9\x00"},
    "another type": {"subject_token_type": f"{TYPES}saml2"},
    "another server": {"resource": "https://evil.example/mcp"},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
async def test_another_exchange_is_refused(
    workspace: Workspace, hubbub: Surface, changed: dict[str, str]
) -> None:
    token = token_of(workspace, run_agent(workspace))
    refused = await exchange(hubbub, token, **changed)
    assert refused.status == 400
    assert refused.data["error"] in ("invalid_request", "invalid_target")
    assert (await exchange(hubbub, token)).status == 200


async def test_an_exchange_without_githubs_keys_uses_nothing_up(
    workspace: Workspace, hubbub: Surface
) -> None:
    issuer, token = workspace.github.oidc, token_of(workspace, run_agent(workspace))
    issuer.answers[JWKS] = OtherAnswer(status=500)
    refused = await exchange(hubbub, token)
    assert (refused.status, refused.code) == (503, "unavailable")
    del issuer.answers[JWKS]
    workspace.clock.forward(30)
    assert (await exchange(hubbub, token)).status == 200
