"""A local double of an OpenAI-compatible endpoint: it answers by a script, with faults."""

import inspect
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

# An answer: the message of a choice, or a whole response.
Answer: TypeAlias = dict[str, Any] | web.Response | Callable[[dict[str, Any]], Any]


def says(text: str, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {"content": text, "finish": finish, **message}


def calls(*wanted: tuple[str, Any], finish: str = "tool_calls") -> dict[str, Any]:
    """A turn with these calls. Arguments that are a text are sent as they are."""
    made = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for n, (name, given) in enumerate(wanted)
    ]
    return {"content": None, "tool_calls": made, "finish": finish}


def fault(status: int, text: str = "", **headers: str) -> web.Response:
    body = {"error": {"message": text, "type": "fault"}}
    return web.json_response(body, status=status, headers=headers)


def whole(body: Any) -> web.Response:
    return web.json_response(body)


def raw(body: bytes) -> web.Response:
    return web.Response(body=body)


@dataclass
class Model:
    """`script`: what it answers, in turn; then `last` again and again."""

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    last: Answer = field(default_factory=lambda: says("I am done."))
    usage: tuple[int, int] = (100, 10)
    requests: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The messages of the last request."""
        found: list[dict[str, Any]] = self.requests[-1]["messages"]
        return found

    @property
    def results(self) -> list[Any]:
        """The results of calls in the last request."""
        return [each["content"] for each in self.shown if each["role"] == "tool"]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.tokens.append(request.headers.get("Authorization", ""))
        found = self.script.pop(0) if self.script else self.last
        if callable(found):
            found = found(body)
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, web.Response):
            return found
        form = self._chat if request.path.endswith("/chat/completions") else self._response
        return whole(form(dict(found)))

    def _chat(self, message: dict[str, Any]) -> dict[str, Any]:
        finish = message.pop("finish")
        prompt, output = self.usage
        return {
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
            ],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": output,
                "prompt_tokens_details": {"cached_tokens": prompt // 2},
            },
        }

    def _response(self, message: dict[str, Any]) -> dict[str, Any]:
        items: list[dict[str, Any]] = [{"type": "reasoning", "summary": []}]
        if message["content"]:
            part = {"type": "output_text", "text": message["content"]}
            items.append({"type": "message", "role": "assistant", "content": [part]})
        items += [
            {"type": "function_call", "call_id": each["id"], **each["function"]}
            for each in message.get("tool_calls", ())
        ]
        prompt, output = self.usage
        cut = message["finish"] == "length"
        return {
            "object": "response",
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": items,
            "usage": {"input_tokens": prompt, "output_tokens": output},
        }


@asynccontextmanager
async def open_model(*script: Answer) -> AsyncIterator[Model]:
    model, app = Model(script=list(script)), web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/{rest:.*}", model.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()
