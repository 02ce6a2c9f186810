"""Jobs of GitHub Actions on the surfaces of the server, over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from bot.identity.github_oidc import LEEWAY
from fixtures.github.oidc import JWKS, OtherAnswer
from tests.support.actions import HUBBUB, allow_workflow, open_tokens, run_agent, token_of
from tests.support.server_in_process import Answer, Surface, serving
from tests.support.story import Clock, Workspace
from webhooks.connection import Patience

# Longer than anything takes, in seconds.
SOON_S = 20


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
            verifiers=[checker],
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
