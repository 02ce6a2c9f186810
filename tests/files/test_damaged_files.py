"""Files with parts that are lost or damaged, slow connections, and uploads that expire."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from bot.errors import Refused
from bot.files import chunks, removal, storing
from bot.files.chunks import CHUNK
from bot.files.extraction.process import Processes
from tests.files.test_http import begin, file_of
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Surface
from webhooks import file_streams, uploads
from webhooks.file_streams import FileStreams

DAMAGES = {
    "missing": "DELETE FROM blob_chunks WHERE installation_id = :i AND part = :p",
    "damaged": "UPDATE blob_chunks SET sealed = :long WHERE installation_id = :i AND part = :p",
    "cut off": "UPDATE blob_chunks SET sealed = :short WHERE installation_id = :i AND part = :p",
}


async def damage(surface: Surface, how: str, part: int) -> None:
    given = {"i": surface.installation_id, "p": part, "long": bytes(99), "short": b"x"}
    assert await surface.store.write(lambda tx: tx.run(DAMAGES[how], **given))


async def uploaded(surface: Surface, content: bytes) -> tuple[str, str]:
    """The token, and the path of a download."""
    token, path = await begin(surface, len(content))
    done = await surface.send("PUT", path, data=content)
    found = await file_of(surface, token, done.data["file"]["id"])
    return token, surface.url + found["url"]


@ON_SQLITE
@pytest.mark.parametrize("how", DAMAGES)
async def test_a_download_of_a_damaged_file_breaks_off_and_never_looks_whole(
    surface: Surface, how: str
) -> None:
    content = secrets.token_bytes(2 * CHUNK + 5)
    _, url = await uploaded(surface, content)
    await damage(surface, how, 1)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with surface.client.get(url) as response:
            await response.read()
    headers = {"Range": f"bytes={CHUNK}-{CHUNK + 5}"}
    async with surface.client.get(url, headers=headers) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "unknown_attachment"
    headers = {"Range": f"bytes=0-{CHUNK - 1}"}
    async with surface.client.get(url, headers=headers) as response:
        assert (response.status, await response.read()) == (206, content[:CHUNK])


@ON_SQLITE
@pytest.mark.parametrize("how", DAMAGES)
async def test_a_small_damaged_file_is_an_error_until_it_is_attached_again(
    surface: Surface, how: str
) -> None:
    token = await surface.token()
    await surface.call(token, "register_agent", agent_id="ada", name="ada")

    async def attach() -> str:
        answer = await surface.call(token, "attach_file", name="a.txt", text="hello")
        return str(answer.data["file"]["id"])

    async def read(file_id: str, **how: Any) -> Any:
        return await surface.call(token, "get_attachment", attachment_id=file_id, **how)

    first = await attach()
    await damage(surface, how, 0)
    for asked in ({"inline": True}, {"with_text": True}):
        refused = await read(first, **asked)
        assert refused.code == "unknown_attachment"
        assert "attach it again" in refused.data["error"]["message"]
    await attach()
    assert (await read(first, inline=True)).data["inline"]["data"] == "aGVsbG8="
    assert (await read(first, with_text=True)).data["text"]["text"] == "hello"


async def test_a_large_damaged_file_is_whole_again_after_it_is_uploaded_again(
    surface: Surface,
) -> None:
    content = secrets.token_bytes(CHUNK + 5)
    _, url = await uploaded(surface, content)
    await damage(surface, "missing", 1)
    await uploaded(surface, content)
    async with surface.client.get(url) as response:
        assert await response.read() == content


@ON_SQLITE
async def test_an_empty_file_is_shown_inline(surface: Surface) -> None:
    token = await surface.token()
    await surface.call(token, "register_agent", agent_id="ada", name="ada")
    made = (await surface.call(token, "attach_file", name="a.txt", text="")).data["file"]
    shown = await surface.call(token, "get_attachment", attachment_id=made["id"], inline=True)
    assert shown.data["inline"]["data"] == ""


async def test_an_upload_that_expires_while_it_ends_makes_no_file_without_its_beginning(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "CHUNKS", 1)
    content = secrets.token_bytes(3 * CHUNK)
    _, path = await begin(surface, len(content))
    await surface.send("PUT", path, data=content[: 2 * CHUNK])
    store, i = surface.store, surface.installation_id
    [row] = await surface.rows("SELECT * FROM uploads WHERE installation_id = :i")
    keys = surface.dispatcher.shared.keys
    assert await storing.add_chunk(store, keys, row, 2 * CHUNK, content[2 * CHUNK :])  # type: ignore[arg-type]
    digest = chunks.digest

    async def late(*given: Any) -> str:
        """As if the retention of another process came between the two halves of the end."""
        found: str = await digest(*given)
        await store.write(lambda tx: storing.expire(tx, row))  # type: ignore[arg-type]
        await removal.step(store, i, await store.read(lambda tx: tx.now()))
        return found

    monkeypatch.setattr(chunks, "digest", late)
    assert (await surface.send("PUT", path, data=content)).code == "unknown_attachment"
    monkeypatch.undo()
    assert (await surface.send("PUT", path, data=content)).code == "unknown_attachment"
    assert await surface.rows("SELECT 1 AS one FROM attachments WHERE installation_id = :i") == []


@ON_SQLITE
async def test_two_senders_with_other_bytes_do_not_make_one_file_of_both(surface: Surface) -> None:
    await begin(surface, 2 * CHUNK)
    [row] = await surface.rows("SELECT * FROM uploads WHERE installation_id = :i")
    keys, one, other = surface.dispatcher.shared.keys, b"a" * CHUNK, b"b" * CHUNK

    async def add(content: bytes) -> bool:
        return await storing.add_chunk(surface.store, keys, row, 0, content)  # type: ignore[arg-type]

    # The second time as after a COMMIT whose answer was lost.
    assert [await add(one), await add(one), await add(other)] == [True, True, False]


@ON_SQLITE
async def test_an_upload_that_hardly_moves_is_ended(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK_S", 0.0)
    _, slow = await begin(surface, 3)

    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    assert (await surface.send("PUT", slow, data=body())).code == "request_timeout"


def test_files_of_one_installation_leave_room_for_others() -> None:
    streams, most = FileStreams(), file_streams.MOST_OF_ONE
    with ExitStack() as running:
        for _ in range(most):
            running.enter_context(streams.one("a", 1))
        with pytest.raises(Refused, match="Too many files"), streams.one("a", 1):
            raise AssertionError
        with streams.one("b", 2):
            assert streams.running == {1: most, 2: 1}
    assert streams.running == {}


async def test_a_file_that_takes_long_to_read_holds_up_only_its_own_installation() -> None:
    processes, began = Processes(sandbox=[]), list[int]()
    ends = asyncio.Event()
    first = asyncio.Event()

    async def content(installation_id: int) -> AsyncIterator[bytes]:
        began.append(installation_id)
        first.set()
        if installation_id == 1:
            await ends.wait()
        yield b"hello"

    slow = [asyncio.create_task(processes.extract("text", content(1), 1)) for _ in range(2)]
    await first.wait()
    assert (await processes.extract("text", content(2), 2)).text == "hello"
    assert began == [1, 2]
    ends.set()
    assert [each.text for each in await asyncio.gather(*slow)] == ["hello"] * 2
