"""Receivers of notifications on loopback: a web server that keeps what it gets, a mail server."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default
from typing import Any, TypeVar

import orjson
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class Receiver:
    """`status`, `headers` and `text`: what it answers."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "ok"
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/in")

    @property
    def bodies(self) -> list[Any]:
        return [orjson.loads(body) for _, body in self.requests]

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers, text=self.text)


R = TypeVar("R", bound=Receiver)


def open_receiver() -> AbstractAsyncContextManager[Receiver]:
    return serving(Receiver())


@asynccontextmanager
async def serving(receiver: R) -> AsyncIterator[R]:
    app = web.Application()
    app.router.add_post("/in{rest:.*}", receiver.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class MailBox:
    """`refusal`: what it answers to a recipient, if not OK. `refused`: one that it refuses.

    `farewell`: what it answers to QUIT. `pause_s`: how long it lets each recipient wait.
    """

    port: int = 0
    refusal: str = ""
    refused: str = ""
    farewell: str = "221 Bye"
    pause_s: float = 0
    mails: list[tuple[list[str], Message]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it by this name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        await asyncio.sleep(self.pause_s)
        if self.refusal:
            return self.refusal
        if address == self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return self.farewell

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=default)
        self.mails.append(([str(each) for each in envelope.rcpt_tos], mail))
        return "250 OK"


def _accept_anybody(*_: Any) -> AuthResult:
    return AuthResult(success=True)


@asynccontextmanager
async def open_mail_server(tls: ssl.SSLContext | None, *, starttls: bool) -> AsyncIterator[MailBox]:
    """With STARTTLS, which it insists on, or TLS from the first byte on, or neither."""
    box = MailBox()
    more: dict[str, Any] = {"authenticator": _accept_anybody, "auth_require_tls": False}
    if tls and starttls:
        more |= {"tls_context": tls, "require_starttls": True}
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def begin() -> SMTP:
        sessions.append(SMTP(box, loop=loop, **more))
        return sessions[-1]

    server = await loop.create_server(
        begin,
        "127.0.0.1",
        0,
        ssl=None if starttls else tls,
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for each in sessions:
            if isinstance(each.transport, asyncio.WriteTransport):
                each.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()
