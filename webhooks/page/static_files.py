"""The page's own files. Their address has the hash of all of them, so browsers keep them."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
SUFFIXES = frozenset({".js", ".css", ".svg"})
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticFile:
    content: bytes
    zipped: bytes
    content_type: str


@cache
def files() -> dict[str, StaticFile]:
    """The files by their path in the folder."""
    found = sorted(each for each in FOLDER.rglob("*") if each.suffix in SUFFIXES)
    return {each.relative_to(FOLDER).as_posix(): _read(each) for each in found}


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(content, gzip.compress(content, mtime=0), kind)


@cache
def content_hash() -> str:
    whole = hashlib.sha256()
    for name, each in files().items():
        whole.update(name.encode() + each.content)
    return whole.hexdigest()[:12]


def path_of(name: str) -> str:
    """The path of a file. Raise KeyError if there is none."""
    assert name in files(), f"webhooks/page/static has no {name}"
    return f"/static/{content_hash()}/{name}"


async def serve(request: web.Request) -> web.Response:
    """A file. One of another version has another address, so it is not found."""
    found = files().get(request.match_info["name"])
    if found is None or request.match_info["hash"] != content_hash():
        raise web.HTTPNotFound
    headers = {
        "Cache-Control": FOREVER,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    body = found.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers["Content-Encoding"] = found.zipped, "gzip"
    return web.Response(
        body=body, content_type=found.content_type, charset="utf-8", headers=headers
    )
