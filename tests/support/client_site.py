"""The web server of an OAuth client: its metadata document, with a certificate of its own."""

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.identity.oauth.document_fetcher import DocumentFetcher
from bot.public_internet import is_public

HOST = "client.example"
ID = f"https://{HOST}/client.json"
REDIRECT = "http://127.0.0.1/callback"
GOOD: dict[str, Any] = {"client_id": ID, "client_name": "Tool", "redirect_uris": [REDIRECT]}


class Resolver(AbstractResolver):
    """Every host is at these addresses, at the port of the test's server."""

    def __init__(self, port: int, *answers: list[str]) -> None:
        self._port = port
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        assert port == 443
        self.asked += 1
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host, host=each, port=self._port, family=family, proto=0, flags=0
            )
            for each in addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""


@dataclass
class Site:
    """A web server with a certificate for client.example."""

    port: int
    tls: ssl.SSLContext
    status: int = 200
    document: Any = field(default_factory=GOOD.copy)
    # What is sent instead of the document.
    text: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    time: float = 1000.0

    def answer(self) -> web.Response:
        return web.Response(
            text=json.dumps(self.document) if self.text is None else self.text,
            status=self.status,
            content_type=self.content_type,
            headers=self.headers,
        )

    def now(self) -> float:
        return self.time

    def fetcher(self, *addresses: list[str]) -> DocumentFetcher:
        """A fetcher to which loopback is public."""
        resolver = Resolver(self.port, *(addresses or (["127.0.0.1"],)))
        return DocumentFetcher(
            resolver, self.tls, lambda each: each == "127.0.0.1" or is_public(each), self.now
        )


def write_certificate(path: Path) -> None:
    """Write a key and its own certificate into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )


@asynccontextmanager
async def serving_documents(certificate: Path) -> AsyncIterator[Site]:
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(certificate)
    made = Site(0, ssl.create_default_context(cafile=str(certificate)))

    async def answer(request: web.Request) -> web.Response:
        made.requests.append(request)
        return made.answer()

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=offered).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()
