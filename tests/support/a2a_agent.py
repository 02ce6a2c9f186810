"""An agent on loopback that speaks A2A 1.0 as it should, or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from fixtures.github import Issue
from tests.support.agent_endpoints import courier, lead, set_endpoint
from tests.support.story import Agent, Workspace

# What goes wrong with a request, by name; `after`: the agent has done what it asks for.
STATUS = {"500": 500, "401": 401, "429": 429, "500 after": 500}


@dataclass
class RemoteAgent:
    """`faults`: what goes wrong with the next calls of a method. `answer`: a text, and no task."""

    url: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    answer: str | None = None
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages that it got."""
        return [params["message"] for method, params in self.calls if method == "SendMessage"]

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def set(self, state: str, said: str = "", *artifacts: dict[str, Any]) -> None:
        """The state of its last task from now on."""
        task = list(self.tasks.values())[-1]
        task["status"] = {"state": f"TASK_STATE_{state}"}
        if said:
            task["status"]["message"] = {"role": "ROLE_AGENT", "parts": [{"text": said}]}
        if artifacts:
            task["artifacts"] = [{"artifactId": "a", "parts": list(artifacts)}]

    async def show_card(self, _: web.Request) -> web.StreamResponse:
        interface = {
            "url": f"{self.url}/rpc",
            "protocolBinding": "JSONRPC",
            "protocolVersion": "1.0",
        }
        return web.json_response(
            {"name": "Remote", "supportedInterfaces": [interface], **self.card}
        )

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        method = body["method"]
        self.headers.append(dict(request.headers))
        fault = next(iter(self.faults.get(method, [])[:1]), "")
        if fault:
            self.faults[method].pop(0)
        if not fault or fault.endswith("after"):
            self.calls.append((method, body["params"]))
            result = self._result(method, body["params"])
        if not fault:
            return web.json_response({"jsonrpc": "2.0", "id": body["id"], **result})
        return self._wrong(request, fault)

    def _wrong(self, request: web.Request, fault: str) -> web.StreamResponse:
        if fault in STATUS:
            return web.Response(status=STATUS[fault])
        if fault == "redirect":
            raise web.HTTPFound("http://169.254.169.254/latest")
        if fault.startswith("closed"):
            assert request.transport is not None
            request.transport.abort()
        texts = {"garbage": "{[", "huge": f'"{"x" * 2**21}"', "list": "[]", "empty": "{}"}
        error = '{"error": {"code": -32601, "message": "no"}}' if fault == "no method" else fault
        return web.Response(text=texts.get(fault, error), content_type="application/json")

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "SendMessage":
            return {"result": self._take(params["message"])}
        if method == "ListTasks":
            return {"result": {"tasks": list(self.tasks.values()), "nextPageToken": ""}}
        task = self.tasks.get(params["id"])
        if task is None:
            return {"error": {"code": -32001, "message": "Task not found"}}
        if method == "CancelTask":
            task["status"] = {"state": "TASK_STATE_CANCELED"}
        return {"result": task}

    def _take(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.answer is not None:
            parts = [{"text": self.answer}]
            return {"message": {"messageId": "r", "role": "ROLE_AGENT", "parts": parts}}
        task_id = message.get("taskId") or f"remote-{len(self.tasks) + 1}"
        task = self.tasks.setdefault(
            task_id,
            {"id": task_id, "contextId": f"of {task_id}", "history": []},
        )
        task["status"] = {"state": "TASK_STATE_WORKING"}
        task["history"].append(message)
        return {"task": task}


@asynccontextmanager
async def open_agent(
    card: str = "/.well-known/agent-card.json",
) -> AsyncIterator[RemoteAgent]:
    agent = RemoteAgent()
    app = web.Application()
    app.router.add_get(card, agent.show_card)
    app.router.add_post("/rpc", agent.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    agent.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield agent
    finally:
        await runner.cleanup()


@dataclass
class Remote:
    """A workspace with an agent that is reached by A2A."""

    workspace: Workspace
    agent: RemoteAgent

    @property
    def lead(self) -> Agent:
        return lead(self.workspace)

    async def assign(self, body: str = "The valve leaks.") -> Issue:
        issue = await self.workspace.task("Repair it", body)
        name = self.workspace.name(issue)
        await self.lead.call("assign_task", task=name, agent_id="remote")
        return issue

    async def drain(self, seconds: float = 0) -> None:
        """Deliver all that is due after so many seconds."""
        self.workspace.clock.forward(seconds)
        await courier(self.workspace).drain()

    async def task(self, issue: Issue) -> Any:
        found = await self.lead.call("get_task", task=self.workspace.name(issue))
        return found["task"]

    async def why(self) -> str:
        """Why the last delivery failed."""
        q = "SELECT error FROM endpoint_deliveries WHERE installation_id = :i ORDER BY id DESC"
        return str((await self.workspace.rows(q))[0]["error"])


async def reach(workspace: Workspace, agent: RemoteAgent, **more: Any) -> Remote:
    await workspace.agent("remote")
    await set_endpoint(workspace, "remote", "a2a", f"{agent.url}/", secret="s3cret", **more)
    return Remote(workspace, agent)
