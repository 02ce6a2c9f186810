"""Files over HTTP: downloads by short-lived addresses, and uploads that can be resumed."""

import base64
import hashlib
import secrets
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents

from bot.files import links, removal
from bot.files.chunks import CHUNK
from bot.times import SECOND
from store.files import usage
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import connect
from tests.support.sample_files import png
from tests.support.server_in_process import Surface


async def begin(surface: Surface, size: int, **more: Any) -> tuple[str, str]:
    """The token of an agent, and the path of an upload."""
    token = await surface.token()
    await surface.call(token, "register_agent", agent_id="ada", name="ada")
    answer = await surface.call(token, "attach_file", name="big.bin", size=size, **more)
    return token, answer.data["upload"]["url"]


async def file_of(surface: Surface, token: str, file_id: str) -> dict[str, Any]:
    answer = await surface.call(token, "get_attachment", attachment_id=file_id)
    assert answer.status == 200, answer.data
    return dict(answer.data)


async def test_a_file_is_uploaded_in_parts_and_downloaded_in_ranges(surface: Surface) -> None:
    content = secrets.token_bytes(CHUNK * 2 + 1000)
    digest = hashlib.sha256(content).hexdigest()
    token, path = await begin(surface, len(content), sha256=digest)

    async def put(first: int, last: int) -> Any:
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return await surface.send("PUT", path, data=content[first : last + 1], headers=headers)

    first = await put(0, CHUNK + 99)
    assert (first.status, first.data["received"]) == (200, CHUNK)
    gap = await put(CHUNK * 2, len(content) - 1)
    assert (gap.status, gap.code, gap.data["error"]["details"]["received"]) == (
        400,
        "bad_request",
        CHUNK,
    )
    assert (await surface.send("GET", path)).data["received"] == CHUNK
    hidden = await surface.rows("SELECT 1 AS one FROM attachments WHERE installation_id = :i")
    assert hidden == []
    last = await put(CHUNK, len(content) - 1)
    assert (last.status, last.data["file"]["sha256"]) == (201, digest)
    found = await file_of(surface, token, last.data["file"]["id"])
    async with surface.client.get(surface.url + found["url"]) as response:
        assert await response.read() == content
        assert response.headers["ETag"] == f'"{digest}"'
    async with surface.client.get(
        surface.url + found["url"], headers={"Range": f"bytes={CHUNK - 5}-{CHUNK + 4}"}
    ) as response:
        assert (response.status, await response.read()) == (206, content[CHUNK - 5 : CHUNK + 5])
    assert (await surface.send("PUT", path, data=content)).code == "unknown_attachment"


@ON_SQLITE
async def test_an_upload_that_broke_off_goes_on_and_a_wrong_one_is_dropped(
    surface: Surface,
) -> None:
    content = secrets.token_bytes(CHUNK + 10)
    _, path = await begin(surface, len(content))
    await surface.send("PUT", path, data=content[:CHUNK])
    whole = await surface.send("PUT", path, data=content)
    assert (whole.status, whole.data["file"]["size"]) == (201, CHUNK + 10)
    _, other = await begin(surface, 3, sha256="0" * 64)
    wrong = await surface.send("PUT", other, data=b"abc")
    assert wrong.code == "invalid_arguments"
    _, small = await begin(surface, 3)
    assert (await surface.send("PUT", small, data=b"abcd")).code == "too_large"
    headers = {"Content-Range": "bytes 0-2/99"}
    assert (await surface.send("PUT", small, data=b"abc", headers=headers)).code == "bad_request"
    assert (await surface.send("PUT", small, data=b"abc")).status == 201


# https://github.com/nextcloud/server/issues/26857
@ON_SQLITE
async def test_an_upload_that_is_given_up_no_longer_counts(surface: Surface) -> None:
    _, path = await begin(surface, CHUNK * 2)
    await surface.send("PUT", path, data=b"x" * CHUNK)
    assert (await surface.send("DELETE", path)).status == 204
    assert (await surface.send("GET", path)).code == "unknown_attachment"
    assert (await surface.send("DELETE", path)).code == "unknown_attachment"
    here, now = surface.installation_id, await surface.store.read(lambda tx: tx.now())
    while await removal.step(surface.store, here, now):
        pass
    assert (await surface.store.read(lambda tx: usage.of(tx, here)))["size"] == 0
    assert await surface.rows("SELECT part FROM blob_chunks WHERE installation_id = :i") == []


@ON_SQLITE
async def test_an_upload_that_goes_on_with_another_file_is_refused(surface: Surface) -> None:
    content = secrets.token_bytes(CHUNK * 2 + 10)
    _, path = await begin(surface, len(content))
    assert (await surface.send("PUT", path, data=content[: CHUNK * 2])).status == 200
    size = len(content)
    for wrong in (0, CHUNK - 1, CHUNK, CHUNK * 2 - 1):
        other = bytearray(content)
        other[wrong] ^= 1
        for first in (0, 100, CHUNK):
            headers = {"Content-Range": f"bytes {first}-{size - 1}/{size}"}
            if first <= wrong:
                sent = await surface.send("PUT", path, data=other[first:], headers=headers)
                assert (sent.status, sent.code) == (400, "bad_request"), (wrong, first)
    # A part that ends before what is stored is compared too.
    assert (await surface.send("PUT", path, data=b"\0" * 50)).code == "bad_request"
    assert (await surface.send("PUT", path, data=content[:50])).status == 200
    assert (await surface.send("GET", path)).data["received"] == CHUNK * 2
    whole = await surface.send("PUT", path, data=content)
    assert whole.data["file"]["sha256"] == hashlib.sha256(content).hexdigest()


@ON_SQLITE
async def test_a_download_runs_nowhere_and_ends_with_its_address_or_its_file(
    surface: Surface,
) -> None:
    token, _ = await begin(surface, 3)
    given = {"name": 'x".html', "text": "<!doctype html><script>alert(1)</script>"}
    page = (await surface.call(token, "attach_file", **given)).data["file"]
    found = await file_of(surface, token, page["id"])
    answer = await surface.send("GET", found["url"])
    shown = {name: answer.headers[name] for name in ("Content-Type", "X-Content-Type-Options")}
    assert shown == {
        "Content-Type": "application/octet-stream",
        "X-Content-Type-Options": "nosniff",
    }
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="x_.html"')
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    for asked, status in (
        ({"If-None-Match": answer.headers["ETag"]}, 304),
        ({"Range": "bytes=500-"}, 416),
        ({"Range": "bytes=-3"}, 206),
        # misskey-dev/misskey#12881, CenterForOpenScience/waterbutler#411
        ({"Range": "bytes=0-1"}, 206),
        ({"Range": "bytes=0-"}, 206),
        ({"Range": "bytes=0-39"}, 206),
        ({"Range": "bytes=0-39", "If-Range": '"another"'}, 200),
        ({"Range": "lines=1-2"}, 200),
    ):
        assert (await surface.send("GET", found["url"], headers=asked)).status == status
    head = await surface.send("HEAD", found["url"])
    assert (head.status, head.headers["Content-Length"], head.data) == (200, "40", "")
    keys, now = surface.dispatcher.shared.keys, await surface.store.read(lambda tx: tx.now())
    old = links.download(keys, surface.installation_id, page["id"], now - 3600 * SECOND)
    assert (await surface.send("GET", old)).code == "unknown_attachment"
    assert (await surface.send("GET", found["url"] + "x")).code == "unknown_attachment"
    await surface.store.write(
        lambda tx: tx.run(
            "DELETE FROM attachments WHERE installation_id = :i", i=surface.installation_id
        )
    )
    assert (await surface.send("GET", found["url"])).code == "unknown_attachment"


@ON_SQLITE
async def test_a_resource_of_a_file_is_its_content_for_those_who_may_read_it(
    surface: Surface,
) -> None:
    async with connect(surface) as ada, connect(surface, agent_id="bob") as bob:
        listed = (await ada.list_resource_templates()).resource_templates
        assert "hubbub://blob/{sha256}" in [each.uri_template for each in listed]
        for client, name in ((ada, "ada"), (bob, "bob")):
            await client.call_tool("register_agent", {"agent_id": name, "name": name})
        given = {"name": "a.png", "base64": base64.b64encode(png()).decode()}
        await ada.call_tool("attach_file", given)
        uri = f"hubbub://blob/{hashlib.sha256(png()).hexdigest()}"
        (content,) = (await ada.read_resource(uri)).contents
        assert isinstance(content, BlobResourceContents)
        assert (content.mime_type, base64.b64decode(content.blob)) == ("image/png", png())
        with pytest.raises(MCPError):
            await bob.read_resource(uri)
