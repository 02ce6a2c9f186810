"""An answer of a service as the result of a tool. All of it is untrusted."""

import base64
import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bot import foreign_json
from bot.tool_servers.connections import AudioPart, ImagePart, Part, TextPart, ToolResult
from bot.tool_servers.openapi.answer_reading import Answer
from bot.tool_servers.openapi.document_text import one_line
from bot.tool_servers.openapi.styles import json_text

# Characters of an error's body.
SHOWN = 600
# Shorter parts of a credential are words such as `token`.
SHORTEST_SECRET = 6
IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
AUDIO = {"audio/mpeg": b"", "audio/wav": b"RIFF", "audio/ogg": b"OggS", "audio/flac": b"fLaC"}
TEXTS = re.compile(
    r"text/.*|application/(.*\+)?(xml|yaml|x-yaml|toml|javascript|graphql|x-ndjson)|image/svg\+xml"
)
CHARSET = re.compile(r"charset=\"?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)
MOST_LISTS = 50


@dataclass(frozen=True)
class Bounds:
    """`secrets`: what must not come back, because the service may repeat it."""

    max_bytes: int
    secrets: Collection[str] = ()


def result_of(answer: Answer, bounds: Bounds) -> ToolResult:
    """The result for one answer."""
    answer = without_secrets(answer, bounds.secrets)
    if not answer.is_success:
        return ToolResult([TextPart(_error(answer))], is_error=True)
    if not answer.body:
        return ToolResult([TextPart(f"Done: status {answer.status}, without content.")])
    if is_json(answer) and (found := _values(answer.body)) is not _NOTHING:
        return json_result(found, bounds.max_bytes)
    return _other(answer, bounds.max_bytes)


def without_secrets(answer: Answer, secrets: Collection[str]) -> Answer:
    body = answer.body
    for each in secrets:
        if len(each) >= SHORTEST_SECRET:
            body = body.replace(each.encode(), b"***")
    return Answer(answer.status, answer.headers, body)


def unread_result(status: int, most: int) -> ToolResult:
    """For a request that changed something, and whose answer is too large."""
    text = f"Done: status {status}. The answer is larger than {most // 1024**2} MB, so it was not"
    return ToolResult([TextPart(f"{text} read. Do not repeat the call for it.")], truncated=True)


def error_result(text: str) -> ToolResult:
    return ToolResult([TextPart(text)], is_error=True)


def _error(answer: Answer) -> str:
    try:
        phrase = f" ({HTTPStatus(answer.status).phrase})"
    except ValueError:
        phrase = ""
    head = f"The service answered with status {answer.status}{phrase}"
    if 300 <= answer.status < 400:
        where = one_line(answer.headers.get("Location", "another address"))
        return f"{head} and sends to {where}. Redirects are not followed."
    said = one_line(_text(answer), SHOWN) if _is_text(answer) else ""
    return f"{head}: {said}" if said else f"{head}, without a reason."


# --- JSON ----------------------------------------------------------------------------------------

_NOTHING = object()


def is_json(answer: Answer) -> bool:
    kind = answer.content_type
    return kind.endswith("json") or (not kind and answer.body[:1] in (b"{", b"["))


def _values(body: bytes) -> Any:
    try:
        return foreign_json.value(body)
    except ValueError:
        return _NOTHING


def json_of(answer: Answer) -> Any:
    """The values of a JSON answer, or None if it is none."""
    found = _values(answer.body) if is_json(answer) else None
    return None if found is _NOTHING else found


def json_result(value: Any, max_bytes: int, *notes: str) -> ToolResult:
    """The values as structured content and as text. Lists lose their ends if it is too much."""
    text = json_text(value)
    if len(text.encode()) <= max_bytes:
        return ToolResult([TextPart(text), *map(TextPart, notes)], structured=value)
    smaller, note = _with_shorter_list(value, max_bytes - 200)
    if smaller is not None:
        parts = [TextPart(json_text(smaller)), TextPart(note), *map(TextPart, notes)]
        return ToolResult(parts, structured=smaller, truncated=True)
    start = text.encode()[:max_bytes].decode(errors="ignore")
    return ToolResult([TextPart(start), *map(TextPart, notes)], truncated=True)


def _with_shorter_list(value: Any, max_bytes: int) -> tuple[Any, str]:
    """The value with as many entries of its longest list as fit, and a sentence about it."""
    if isinstance(value, list):
        kept = _fitting(value, max_bytes)
        return (kept, _note("", kept, value)) if kept else (None, "")
    if not isinstance(value, dict):
        return None, ""
    lists = {key: each for key, each in value.items() if isinstance(each, list)}
    if not lists or len(lists) > MOST_LISTS:
        return None, ""
    key = max(lists, key=lambda each: len(json_text(lists[each])))
    rest = len(json_text({**value, key: []}).encode())
    kept = _fitting(lists[key], max_bytes - rest)
    return ({**value, key: kept}, _note(key, kept, lists[key])) if kept else (None, "")


def _fitting(entries: list[Any], max_bytes: int) -> list[Any]:
    size = 2
    for n, each in enumerate(entries):
        size += len(json_text(each).encode()) + 1
        if size > max_bytes:
            return entries[:n]
    return entries


def _note(key: str, kept: list[Any], entries: list[Any]) -> str:
    name = f"`{one_line(key)}`" if key else "The list"
    return f"{name} has {len(entries)} entries; only the first {len(kept)} are shown."


# --- Other content -------------------------------------------------------------------------------


def _is_text(answer: Answer) -> bool:
    kind = answer.content_type
    return is_json(answer) or bool(TEXTS.fullmatch(kind)) or (not kind and b"\0" not in answer.body)


def _text(answer: Answer) -> str:
    match = CHARSET.search(answer.headers.get("Content-Type", ""))
    try:
        name = codecs.lookup(match[1]).name if match else "utf-8"
        # Some codecs of Python are no character sets.
        return answer.body.decode(name, errors="replace")
    except (LookupError, ValueError):
        return answer.body.decode(errors="replace")


def _other(answer: Answer, max_bytes: int) -> ToolResult:
    kind, size = answer.content_type, len(answer.body)
    if _is_text(answer):
        text = _text(answer)
        kept = text.encode(errors="replace")[:max_bytes].decode(errors="ignore")
        return ToolResult([TextPart(kept)], truncated=len(kept) < len(text))
    part = _media(kind, answer.body)
    if part is not None and size * 4 // 3 <= max_bytes:
        return ToolResult([part])
    words = f"The service answered with {kind or 'content of an unknown type'} of {size} bytes"
    return ToolResult([TextPart(f"{words}, which is not shown.")], truncated=True)


def _media(kind: str, body: bytes) -> Part | None:
    """A picture or a sound that is what it says."""
    if kind in IMAGES and body.startswith(IMAGES[kind]):
        return ImagePart(base64.b64encode(body).decode(), kind)
    if kind in AUDIO and body.startswith(AUDIO[kind]):
        return AudioPart(base64.b64encode(body).decode(), kind)
    return None
