"""HTTP to a server of somebody else, for the MCP library: bounded, and without redirects.

A request that fails is answered with an error in JSON-RPC in place of an exception, because an
exception would end all calls that run over the same connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace

import aiohttp
import httpx2
import orjson
from yarl import URL

from bot import times
from bot.foreign_json import readable
from bot.public_internet import read_body
from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import ServerSpec, Unavailable, Why
from bot.tool_servers.network import ERRORS, reason
from mcp_server.upstreams.exchange import MOST_BYTES, Exchange, current
from mcp_server.upstreams.pace import Pace

# The code of an error that this transport makes.
FAILED = -32099
# Headers that are set for the connection or by the session.
OWN = frozenset(
    {"host", "accept-encoding", "connection", "content-length", "user-agent", "transfer-encoding"}
)
EVENTS = "text/event-stream"
# An answer with an error says why in so many bytes.
MOST_OF_ERROR = 65_536
LONGEST_RETRY_S = 3600.0
LONGEST_PLACE = 200
SESSION = "mcp-session-id"
# What has no answer: seconds for it, how many are on their way at once, and bytes of one.
NOTE_S, MOST_NOTES, LONGEST_NOTE = 3.0, 5, 65_536
# A request ends so much later than its caller stops to wait.
SLACK_S = 0.5
# Streams of events: at once, and then in each second.
MOST_STREAMS = (5, 1.0)


async def _mark_sent(
    _: aiohttp.ClientSession, request: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams
) -> None:
    request.trace_request_ctx.sent = True


# For the session of a transport. A server may do what a request asks for and never answer, so what
# counts as sent is what left this process.
TRACE = aiohttp.TraceConfig()
TRACE.on_request_headers_sent.append(_mark_sent)


class WebTransport(httpx2.AsyncBaseTransport):
    def __init__(
        self, spec: ServerSpec, session: aiohttp.ClientSession, tokens: AccessTokens
    ) -> None:
        self._spec = spec
        self._session = session
        self._tokens = tokens
        self._streams = Pace(*MOST_STREAMS)
        self._notes: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = current()
        if _is_note(request):
            self._send_alone(request)
            return httpx2.Response(202)
        if request.method == "GET":
            # The library opens a stream again as often as the server ends it.
            await self._streams.keep(1)
        try:
            async with asyncio.timeout_at(_limit(request, exchange)):
                return await self._send(request, exchange)
        except Unavailable as exc:
            exchange.failure = exc
        except ERRORS as exc:
            is_ours = type(exc) is TimeoutError
            why: Why = "timeout" if is_ours else "unreachable"
            words = "did not answer" if exchange.sent else "could not be reached"
            text = f"The server {words}: {reason(exc)}."
            exchange.failure = Unavailable(why, text, sent=exchange.sent)
        return _failure(str(exchange.failure))

    def _send_alone(self, request: httpx2.Request) -> None:
        """Send what has no answer. The library would let all calls wait for it."""
        if len(self._notes) < MOST_NOTES:
            task = asyncio.create_task(self._note(request))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _note(self, request: httpx2.Request) -> None:
        with suppress(TimeoutError, Unavailable, *ERRORS):
            async with asyncio.timeout(NOTE_S):
                await (await self._send(request, Exchange())).aclose()

    async def aclose(self) -> None:
        for task in list(self._notes):
            task.cancel()
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def _send(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        answer = await self._request(request, exchange)
        if answer.status == 401 and self._spec.oauth:
            answer.release()
            self._tokens.forget(self._spec.installation_id, self._spec.server_id)
            answer = await self._request(request, exchange)
        in_session = SESSION in request.headers
        try:
            return await self._read(answer, exchange, in_session=in_session)
        except BaseException:
            answer.close()
            raise

    async def _request(self, request: httpx2.Request, exchange: Exchange) -> aiohttp.ClientResponse:
        headers = {name: value for name, value in request.headers.items() if name not in OWN}
        headers |= {**self._spec.headers, **await self._tokens.headers(self._spec)}
        return await self._session.request(
            request.method,
            str(request.url),
            params=dict(self._spec.query) or None,
            data=request.content or None,
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=exchange,
        )

    async def _read(
        self, answer: aiohttp.ClientResponse, exchange: Exchange, *, in_session: bool
    ) -> httpx2.Response:
        _check(answer, exchange)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() in ("content-type", SESSION)
        }
        if kind == EVENTS and answer.status < 300 and answer.method != "DELETE":
            stream = EventStream(answer, exchange)
            return httpx2.Response(answer.status, headers=headers, stream=stream)
        most = exchange.max_bytes if answer.status < 300 else MOST_OF_ERROR
        body = readable(await _body(answer, most))
        if in_session and (answer.status == 404 or _has_lost_session(answer.status, body)):
            exchange.forgotten = True
            # As the protocol says it. The library begins no session anew, but Hubbub does.
            return httpx2.Response(404)
        if answer.status == 404 and kind != "application/json" and not _has_lost_session(404, body):
            raise Unavailable(
                "protocol",
                "There is nothing at this address (status 404). Check its path: that of an MCP "
                "server often ends with /mcp.",
            )
        return httpx2.Response(answer.status, headers=headers, content=body)


def _limit(request: httpx2.Request, exchange: Exchange) -> float | None:
    """Until when an answer must have begun, by the clock of the event loop."""
    if request.method == "DELETE":
        return asyncio.get_running_loop().time() + NOTE_S
    return None if exchange.until is None else exchange.until + SLACK_S


def _is_note(request: httpx2.Request) -> bool:
    """Whether nobody waits for an answer: a notification, or an answer to the server.

    Not the one that begins a session, because the requests after it must come later.
    """
    if request.method != "POST" or len(request.content) > LONGEST_NOTE:
        return False
    message = orjson.loads(request.content)
    is_call = "method" in message and "id" in message
    return not is_call and message.get("method") != "notifications/initialized"


def _failure(text: str) -> httpx2.Response:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": FAILED, "message": text}}
    headers = {"content-type": "application/json"}
    return httpx2.Response(503, headers=headers, content=orjson.dumps(error))


def _has_lost_session(status: int, body: bytes) -> bool:
    """Many servers answer 400 where the protocol says 404: with a reason in words, or with none."""
    return status in (400, 404, 410) and (not body.strip() or b"session" in body.lower())


def _check(answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
    """Raise Unavailable for an answer that is not one of MCP."""
    status = answer.status
    if 300 <= status < 400:
        raise Unavailable(
            "refused",
            f"The server redirects to another address. Hubbub follows no redirects: change the "
            f"address of the server to the one where it answers.{_place(answer)}",
        )
    if status == 405 and answer.method == "POST":
        raise Unavailable(
            "protocol",
            "The server takes no requests at this address (status 405). If it has the older "
            "transport HTTP+SSE, Hubbub cannot call it. Its address for Streamable HTTP often "
            "ends with /mcp.",
        )
    if status in (401, 403):
        raise Unavailable(
            "unauthorized",
            f"The server does not accept the credential (status {status}). Change it.",
        )
    if status == 429:
        raise _refusal("rate_limited", "The server asks to wait", answer)
    if status >= 500:
        raise _refusal("unreachable", "The server failed", answer, sent=exchange.sent)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unavailable(
            "protocol", "The server answers compressed, which was not asked for.", sent=True
        )


def _place(answer: aiohttp.ClientResponse) -> str:
    """Where it redirects to, if that is a place of the same server: often it is one slash."""
    try:
        there = answer.url.join(URL(answer.headers.get("Location", ""))).with_query(None)
    except ValueError:
        return ""
    is_here = there.origin() == answer.url.origin() and len(str(there)) <= LONGEST_PLACE
    return f" It answers at {there}." if is_here else ""


def _refusal(
    why: Why, words: str, answer: aiohttp.ClientResponse, *, sent: bool = False
) -> Unavailable:
    asked = times.retry_after(answer.headers.get("Retry-After", ""), time.time())
    after = None if asked is None else min(asked, LONGEST_RETRY_S)
    text = f"{words} (status {answer.status})."
    return Unavailable(why, text, retry_after_s=after, sent=sent)


def too_large(most: int) -> Unavailable:
    return Unavailable(
        "too_large",
        f"The answer is larger than {most} bytes. Hubbub stopped reading it.",
        sent=True,
    )


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body. Raise Unavailable as soon as it is too large."""
    found = await read_body(answer, most)
    if len(found) > most:
        raise too_large(most)
    return found


class EventStream(httpx2.AsyncByteStream):
    """The events of an answer. Those of a call are bounded in time and size."""

    def __init__(self, answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pace, exchange = Pace(), self._exchange
        parts = aiter(self._answer.content.iter_any())
        is_endless = exchange.until is None
        # Of a line whose end has not come.
        begun, held = list[bytes](), 0
        try:
            while part := await self._next(parts):
                exchange.size += len(part)
                if exchange.size > exchange.max_bytes and not is_endless:
                    exchange.failure = too_large(exchange.max_bytes)
                    return
                lines, end, rest = part.rpartition(b"\n")
                if end:
                    yield readable(b"".join([*begun, lines, end]))
                    begun = []
                    held = 0
                begun.append(rest)
                held += len(rest)
                if held > MOST_BYTES:
                    return
                await pace.keep(part.count(b"\n\n") + part.count(b"\r\n\r\n"))
            yield readable(b"".join(begun))
        except TimeoutError:
            text = "The server did not end its answer in time."
            exchange.failure = Unavailable("timeout", text, sent=True)
        except ERRORS as exc:
            text = f"The connection broke in the middle of the answer: {reason(exc)}."
            exchange.failure = Unavailable("unreachable", text, sent=True)

    async def _next(self, parts: AsyncIterator[bytes]) -> bytes:
        """Nothing at the end."""
        until = self._exchange.until
        async with asyncio.timeout_at(None if until is None else until + SLACK_S):
            return await anext(parts, b"")

    async def aclose(self) -> None:
        self._answer.close()
