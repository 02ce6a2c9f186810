"""`/mcp` as a remote tool of the Responses API: what the side of OpenAI sends, request by request.

It has no session, sends the token with each request, lists the tools, and calls those that the
developer allowed. https://platform.openai.com/docs/guides/tools-connectors-mcp
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.server_in_process import Answer, Surface

ALLOWED = ["register_agent", "list_agents", "claim_task"]
VERSION = "2025-06-18"


@dataclass
class RemoteTool:
    """The client that a Responses API runs for one tool of the type `mcp`."""

    surface: Surface
    token: str
    allowed: list[str] = field(default_factory=lambda: list(ALLOWED))
    count: int = 0

    async def send(self, method: str, params: dict[str, Any], **headers: str) -> Answer:
        self.count += 1
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            body["id"] = self.count
        sent = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "User-Agent": "openai-mcp/1.0.0",
            "Authorization": f"Bearer {self.token}",
            **headers,
        }
        return await self.surface.send("POST", "/mcp", data=json.dumps(body), headers=sent)

    async def begin(self) -> Answer:
        answer = await self.send(
            "initialize",
            {
                "protocolVersion": VERSION,
                "capabilities": {},
                "clientInfo": {"name": "openai-mcp", "version": "1.0.0"},
            },
        )
        assert (await self.send("notifications/initialized", {})).status == 202
        return answer

    async def tools(self) -> list[dict[str, Any]]:
        """What the model gets: an item `mcp_list_tools` with the allowed ones."""
        answer = await self.send("tools/list", {}, **{"MCP-Protocol-Version": VERSION})
        listed = result(answer)["tools"]
        return [each for each in listed if each["name"] in self.allowed]

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        given = {"name": tool, "arguments": arguments}
        return result(await self.send("tools/call", given, **{"MCP-Protocol-Version": VERSION}))


def result(answer: Answer) -> dict[str, Any]:
    """The result, whether the server answered with JSON or with a stream of one event."""
    assert answer.status == 200, answer
    if isinstance(answer.data, str):
        (line,) = [each for each in answer.data.splitlines() if each.startswith("data: ")]
        return dict(json.loads(line.removeprefix("data: "))["result"])
    return dict(answer.data["result"])


async def test_a_responses_api_lists_and_calls_tools_without_a_session(surface: Surface) -> None:
    remote = RemoteTool(surface, await surface.token("ada"))
    began = await remote.begin()
    assert result(began)["protocolVersion"] == VERSION
    assert "Mcp-Session-Id" not in began.headers
    tools = await remote.tools()
    assert {each["name"] for each in tools} == set(ALLOWED)
    for each in tools:
        assert each["inputSchema"]["type"] == "object"
        assert "outputSchema" not in each
    # Each request may come by another connection, or reach another process.
    registered = await remote.call("register_agent", agent_id="ada", name="Ada")
    (part,) = registered["content"]
    assert part["type"] == "text"
    assert json.loads(part["text"])["agent"]["id"] == "ada"
    assert not registered.get("isError")
    listed = await RemoteTool(surface, remote.token).call("list_agents")
    assert json.loads(listed["content"][0]["text"])["agents"][0]["id"] == "ada"


async def test_a_refusal_is_a_result_that_the_model_can_read(surface: Surface) -> None:
    remote = RemoteTool(surface, await surface.token("ada"))
    await remote.begin()
    await remote.call("register_agent", agent_id="ada", name="Ada")
    refused = await remote.call("claim_task", task="acme/rocket#99")
    assert refused["isError"]
    assert json.loads(refused["content"][0]["text"])["error"]["code"] == "unknown_repository"


async def test_without_a_valid_token_it_is_told_to_authenticate(surface: Surface) -> None:
    answer = await RemoteTool(surface, "hub_wrong").send("tools/list", {})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
