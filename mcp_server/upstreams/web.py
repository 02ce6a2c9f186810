"""HTTP to a server of somebody else, for the MCP library: bounded, and without redirects.

A request that fails is answered with an error in JSON-RPC in place of an exception, because an
exception would end all calls that run over the same connection.
"""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
import httpx2
import orjson
from yarl import URL

from bot.public_internet import read_body
from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import ServerSpec, Unavailable, Why
from bot.tool_servers.network import ERRORS, reason
from mcp_server.upstreams.exchange import Exchange, current
from mcp_server.upstreams.leniency import readable
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

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = current()
        try:
            return await self._send(request, exchange)
        except Unavailable as exc:
            exchange.failure = exc
        except ERRORS as exc:
            words = "did not answer" if exchange.sent else "could not be reached"
            text = f"The server {words}: {reason(exc)}."
            exchange.failure = Unavailable("unreachable", text, sent=exchange.sent)
        return _failure(str(exchange.failure))

    async def _send(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        answer = await self._request(request, exchange)
        if answer.status == 401 and self._spec.oauth:
            answer.release()
            self._tokens.forget(self._spec.installation_id, self._spec.server_id)
            answer = await self._request(request, exchange)
        try:
            in_session = "mcp-session-id" in request.headers
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
            if name.lower() in ("content-type", "mcp-session-id")
        }
        if kind == EVENTS and answer.status < 300:
            stream = EventStream(answer, exchange)
            return httpx2.Response(answer.status, headers=headers, stream=stream)
        most = exchange.max_bytes if answer.status < 300 else MOST_OF_ERROR
        body = readable(await _body(answer, most))
        if in_session and _has_lost_session(answer.status, body):
            # As the protocol says it. The library begins no session anew, but Hubbub does.
            return httpx2.Response(404)
        return httpx2.Response(answer.status, headers=headers, content=body)


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
    given = answer.headers.get("Retry-After", "")
    after = min(float(given), LONGEST_RETRY_S) if given.isdecimal() and len(given) < 9 else None
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
    """The events of an answer. Those of a call end when they are too many bytes."""

    def __init__(self, answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange
        self._is_endless = answer.method == "GET"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pace, size, most = Pace(), 0, self._exchange.max_bytes
        # Of a line whose end has not come.
        begun = list[bytes]()
        try:
            async for part in self._answer.content.iter_any():
                size += len(part)
                if size > most and not self._is_endless:
                    self._exchange.failure = too_large(most)
                    return
                lines, end, rest = part.rpartition(b"\n")
                if end:
                    yield readable(b"".join([*begun, lines, end]))
                    begun = []
                begun.append(rest)
                await pace.keep(part.count(b"\n\n") + part.count(b"\r\n\r\n"))
            yield readable(b"".join(begun))
        except ERRORS as exc:
            text = f"The connection broke in the middle of the answer: {reason(exc)}."
            self._exchange.failure = Unavailable("unreachable", text, sent=True)

    async def aclose(self) -> None:
        self._answer.close()
