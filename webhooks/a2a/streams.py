"""SendStreamingMessage and SubscribeToTask: answers as server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from aiohttp import web

from bot.errors import Refused, failure
from bot.protocols.a2a import errors, legacy, requests, sending, states
from bot.protocols.a2a.errors import RpcError
from bot.protocols.a2a.requests import Rpc
from bot.protocols.a2a.tasks import Values
from webhooks.a2a import methods
from webhooks.a2a.following import follow
from webhooks.a2a.session import Session
from webhooks.sockets import SOCKETS

# How long a client may accept no data.
SEND_S = 30.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
STREAMED = ("SendStreamingMessage", "SubscribeToTask")


async def respond(
    request: web.Request, session: Session, call: Rpc, old_method: str
) -> web.StreamResponse:
    """Raise RpcError or Refused before the stream begins; later it ends with the error."""
    params = {} if call.params is None else call.params
    make = _send if call.method == "SendStreamingMessage" else _subscribe
    with request.app[SOCKETS].reserve(session.actor):
        async with aclosing(make(session, params)) as found:
            first = await anext(found) or {}
            shown = partial(_frame, call, old_method)
            response = web.StreamResponse(headers=HEADERS)
            response.content_type = "text/event-stream"
            await response.prepare(request)
            try:
                await _write(response, shown(first))
                await _write_all(response, found, shown)
            except (ConnectionError, TimeoutError):
                pass  # the client is gone, or does not read
    return response


async def _write_all(
    response: web.StreamResponse,
    found: AsyncGenerator[Values | None],
    shown: Callable[[Values], bytes],
) -> None:
    try:
        async for each in found:
            await _write(response, b": still here\n\n" if each is None else shown(each))
    except (RpcError, Refused) as exc:
        error = exc if isinstance(exc, RpcError) else errors.of_refusal(exc)
        await _write(response, shown({"error": error.body()}))
    except (ConnectionError, TimeoutError):
        raise
    except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
        error = errors.of_refusal(failure(exc, path="a2a stream"))
        await _write(response, shown({"error": error.body()}))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SEND_S):
        await response.write(data)


def _frame(call: Rpc, old_method: str, found: Values) -> bytes:
    if "error" in found:
        content: dict[str, Any] = {"error": found["error"]}
    elif call.version == requests.OLD:
        content = {"result": legacy.of_result(old_method, found)}
    else:
        content = {"result": found}
    name = "event: error\n" if "error" in found else ""
    line = json.dumps({"jsonrpc": "2.0", "id": call.id, **content})
    return f"{name}data: {line}\n\n".encode()


async def _send(session: Session, given: Any) -> AsyncGenerator[Values | None]:
    """The stream ends when the task ends or asks for something: then it is the caller's turn."""
    params = requests.params_of(requests.SendMessage, given)
    answer = await methods.begin(session, params)
    if "message" in answer:
        yield answer
        return
    ends = states.TERMINAL | states.INTERRUPTED
    settings = params.configuration or requests.Configuration()
    history = settings.history_length
    updates = follow(session, answer["task"]["id"], ends, history)
    async with aclosing(updates):
        async for each in updates:
            yield each


async def _subscribe(session: Session, given: Any) -> AsyncGenerator[Values | None]:
    params = requests.params_of(requests.OneTask, given)
    sending.check_tenant(params.tenant)
    task = (await session.task(params.id))["task"]
    state = states.of_task(task["state"], asks=False)
    if state in states.TERMINAL:
        raise RpcError(
            errors.UNSUPPORTED,
            f"The task is {task['state']}, so nothing more happens to it. Call GetTask.",
            metadata={"taskId": task["id"]},
        )
    async with aclosing(follow(session, task["id"], states.TERMINAL)) as updates:
        async for each in updates:
            yield each
