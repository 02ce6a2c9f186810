"""An upload goes on after its server was killed in the middle."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bot.files.chunks import CHUNK
from tests.support.engines import OWN_ON_SQLITE
from tests.support.server_process import serving

INSTALLATION = 7


async def _first_part(content: bytes, hold: asyncio.Event) -> AsyncIterator[bytes]:
    """The sender stops after two chunks and a bit, and neither ends nor leaves."""
    yield content[: 2 * CHUNK + 1000]
    await hold.wait()


@OWN_ON_SQLITE
async def test_an_upload_goes_on_where_the_killed_server_was(own_url: str, tmp_path: Path) -> None:
    content, hold = secrets.token_bytes(4 * CHUNK + 10), asyncio.Event()
    async with serving(tmp_path, own_url) as server, aiohttp.ClientSession() as session:
        token = await server.token(INSTALLATION, "ada")
        bearer = {"Authorization": f"Bearer {token}"}

        async def call(url: str, operation: str, **given: object) -> dict[str, object]:
            async with session.post(
                f"{url}/api/v1/{operation}", json=given, headers=bearer
            ) as answer:
                found: dict[str, object] = await answer.json()
                assert answer.status == 200, found
                return found

        async def received(url: str) -> int:
            async with session.get(url) as answer:
                return int((await answer.json())["received"])

        await call(server.url, "register_agent", agent_id="ada", name="Ada")
        made = await call(server.url, "attach_file", name="pump.bin", size=len(content))
        upload = made["upload"]
        assert isinstance(upload, dict)
        path = urlsplit(upload["url"]).path
        length = {"Content-Length": str(len(content))}
        sending = asyncio.create_task(
            _put(session, server.url + path, _first_part(content, hold), length)
        )
        async with asyncio.timeout(30):
            while await received(server.url + path) < 2 * CHUNK:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        server.kill()
        await server.process.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with serving(tmp_path, own_url) as after:
            there = after.url + path
            assert await received(there) == 2 * CHUNK
            rest = {"Content-Range": f"bytes {2 * CHUNK}-{len(content) - 1}/{len(content)}"}
            async with session.put(there, data=content[2 * CHUNK :], headers=rest) as answer:
                file = (await answer.json())["file"]
            assert (answer.status, file["size"]) == (201, len(content))
            wanted = {"attachment_id": file["id"]}
            found = await call(after.url, "get_attachment", **wanted)
            place = urlsplit(str(found["url"]))
            async with session.get(f"{after.url}{place.path}?{place.query}") as answer:
                assert await answer.read() == content


async def _put(
    session: aiohttp.ClientSession, url: str, data: AsyncIterator[bytes], headers: dict[str, str]
) -> None:
    async with session.put(url, data=data, headers=headers):
        """The server was killed before it answered."""
