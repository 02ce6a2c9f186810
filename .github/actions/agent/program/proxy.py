"""Passes requests from this machine on to Hubbub, with the token that is valid now.

So a client of MCP needs no token, and notices nothing when the token changes.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from hubbub import OPENER
from runner import Problem
from session import Session

# Longer than any call waits, in seconds. A silent stream ends then, and the client opens another.
TIMEOUT_S = 300
MOST_BODY = 5 * 1024 * 1024
PIECE = 64 * 1024
# Headers that belong to one connection (RFC 9110), and what must not come from a client.
NOT_PASSED_ON = frozenset(
    (
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# Not from the server either: clients would try to log in.
NOT_RETURNED = NOT_PASSED_ON | {"www-authenticate", "set-cookie", "server", "date"}
# What a client may reach.
ALLOWED = ("/mcp", "/api/v1/")


class Proxy(ThreadingHTTPServer):
    """`key` is the first part of each path, so that other users of the machine have no access."""

    daemon_threads = True

    def __init__(self, session: Session, key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.session = session
        self.key = key

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.key}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def forward(self) -> None:
        prefix = f"/{self.server.key}"
        path = self.path[len(prefix) :] if self.path.startswith(prefix) else ""
        if path == "/end" and self.command == "POST":
            self.end()
        elif path.partition("?")[0] == ALLOWED[0] or path.startswith(ALLOWED[1]):
            self.pass_on(path)
        else:
            self.answer(404, "not_found", "There is nothing here. Use the address of the action.")

    do_GET = do_POST = do_DELETE = forward  # noqa: N815 - names of the library

    def pass_on(self, path: str) -> None:
        try:
            response = self.ask(path, self.body())
        except Problem as problem:
            self.answer(503, "unavailable", str(problem))
        except OSError as failed:
            reason = getattr(failed, "reason", failed)
            self.answer(502, "unavailable", f"Hubbub gave no answer: {reason}. Try again.")
        else:
            with response:
                self.give_back(response)

    def ask(self, path: str, body: bytes | None) -> HTTPResponse:
        """The answer of Hubbub. A token that it refuses is renewed once."""
        session = self.server.session
        token = session.token()
        response = self.send(path, body, token)
        if response.status != 401:
            return response
        response.close()
        session.renew(token)
        return self.send(path, body, session.token())

    def send(self, path: str, body: bytes | None, token: str) -> HTTPResponse:
        headers: dict[str, str] = passed(self.headers, NOT_PASSED_ON)
        headers["Authorization"] = f"Bearer {token}"
        url = self.server.session.server.url + path
        request = urllib.request.Request(url, body, headers, method=self.command)  # noqa: S310
        try:
            response: HTTPResponse = OPENER.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as failed:
            # An answer too: what it wraps is the response.
            return cast("HTTPResponse", failed)
        return response

    def body(self) -> bytes | None:
        """Raise Problem for a body that is too large, or in pieces, as no client sends it."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.close_connection = True
            raise Problem("Send the body with a Content-Length.")
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BODY:
            self.close_connection = True
            raise Problem(f"The body has {length} bytes; at most {MOST_BODY} are allowed.")
        return self.rfile.read(length) if length else None

    def give_back(self, response: HTTPResponse) -> None:
        """Piece by piece, as they arrive."""
        self.send_response(response.status)
        for name, value in passed(response.headers, NOT_RETURNED).items():
            self.send_header(name, value)
        length = response.headers.get("Content-Length")
        self.send_header(*(("Content-Length", length) if length else CHUNKED))
        self.end_headers()
        write = self.wfile.write if length else self.write_piece
        try:
            while piece := response.read1(PIECE):
                write(piece)
                self.wfile.flush()
            if not length:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            # One side left. The other one notices by the connection.
            self.close_connection = True

    def write_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def answer(self, status: int, code: str, message: str) -> None:
        """An error in the shape of Hubbub's own."""
        error = {"error": {"code": code, "message": message, "details": {}}}
        data = json.dumps(error).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def end(self) -> None:
        """End the session, and with it the program."""
        try:
            self.server.session.end()
        except OSError as failed:
            print(f"the session was not ended: {failed}", flush=True)
        self.answer(200, "ended", "The session has ended.")
        self.close_connection = True
        # From another thread, because `shutdown` waits for the end of this request.
        threading.Thread(target=self.server.shutdown).start()

    def log_message(self, *_: Any) -> None:
        """Log no requests: paths contain the key."""


CHUNKED = ("Transfer-Encoding", "chunked")


def passed(headers: Message, without: frozenset[str]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name.lower() not in without}
