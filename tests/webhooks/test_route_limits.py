"""Every route limits the size of a body and the time in which it arrives."""

import asyncio

import pytest

from tests.support.engines import ON_SQLITE
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface

# More than a delivery of GitHub may have.
TOO_LARGE = 26 * 2**20


def routes(surface: Surface) -> list[tuple[str, str]]:
    """The method and a path of each route of the server."""
    found = {
        (each.method, each.resource.canonical)
        for each in surface.server.app.router.routes()
        if each.resource is not None
    }
    assert ("POST", "/mcp") in found
    return sorted((m, p.replace("{operation}", "list_agents")) for m, p in found if m != "HEAD")


async def request(surface: Surface, head: str, body: bytes) -> bytes:
    """The first line of the answer to a request whose body may be cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", surface.server.port)
    writer.write(head.encode())
    try:
        for start in range(0, len(body), 2**20):
            writer.write(body[start : start + 2**20])
            await writer.drain()
        return await reader.readline()
    except ConnectionError:
        return await reader.readline() if not reader.at_eof() else b""
    finally:
        writer.close()


@ON_SQLITE
async def test_no_route_takes_a_body_of_any_size(surface: Surface) -> None:
    token = await surface.token()
    for method, path in routes(surface):
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {TOO_LARGE}\r\n\r\n"
        )
        line = await request(surface, head, b"")
        # Or the address is wrong, before the body is looked at.
        if method == "POST":
            assert line.split()[1] in (b"413", b"401", b"400", b"403", b"404"), (method, path, line)
        assert not line.startswith(b"HTTP/1.1 5"), (method, path, line)


@ON_SQLITE
async def test_no_route_waits_for_a_body_without_end(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface.bodies, "seconds", 0.05)
    token = await surface.token()
    for method, path in routes(surface):
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        async with asyncio.timeout(SOON_S):
            line = await request(surface, head, b"")
        if method == "POST":
            assert line.split()[1] in (b"408", b"401", b"400", b"403", b"404"), (method, path, line)
