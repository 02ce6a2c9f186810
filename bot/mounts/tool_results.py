"""What a tool answered, made fit for agents: bounded, without hidden texts and without secrets."""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.kernel.untrusted_text import visible
from bot.secret_formats import mask
from bot.tool_servers.connections import AudioPart, ImagePart, LinkPart, Part, TextPart, ToolResult

# Pictures and sounds of one result: how many, and the bytes of their base64.
MOST_MEDIA, LARGEST_MEDIA = 8, 1_400_000
MOST_LINKS = 50
LONGEST_LINK, LONGEST_NAME = 2_000, 300
# Of structured values.
DEEPEST = 60


@dataclass(frozen=True)
class Media:
    """`kind`: image or audio. `data`: base64."""

    kind: str
    mime_type: str
    data: str


@dataclass(frozen=True)
class Link:
    uri: str
    name: str
    mime_type: str


@dataclass(frozen=True)
class Whole:
    """All of a result that was cut."""

    text: str
    is_json: bool


@dataclass
class Shown:
    """What an agent gets of a result. `notes`: what was left out, and why."""

    text: str = ""
    structured: Any = None
    media: list[Media] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Only if it was cut.
    whole: Whole | None = None

    def values(self) -> dict[str, Any]:
        """As it is kept for later calls: without media, which are large."""
        notes = [*self.notes, "images and sounds were not kept"] if self.media else self.notes
        return {"text": self.text, "structured": self.structured, "notes": notes}

    @property
    def size(self) -> int:
        structured = len(json.dumps(self.structured)) if self.structured is not None else 0
        return len(self.text) + structured + sum(len(each.data) for each in self.media)


def wire_bytes(max_bytes: int) -> int:
    """How much may come from the server: what is shown, and room to cut it with a note."""
    return 4 * max_bytes + LARGEST_MEDIA


def view(result: ToolResult, max_bytes: int) -> Shown:
    """What is shown of a result. A large one takes a second, so do this in a thread."""
    made = Shown()
    if result.truncated:
        made.notes.append("the server sent more than Hubbub reads")
    structured = _clean(result.structured) if is_shallow(result.structured) else None
    if result.structured is not None and structured is None:
        made.notes.append("the structured result is nested too deeply and was left out")
    texts = [each.text for each in result.content if isinstance(each, TextPart)]
    room, written = max_bytes, ""
    if structured is not None:
        texts = [each for each in texts if not _repeats(each, result.structured)]
        written = _as_json(structured)
        room -= len(written)
        if room < 0:
            made.notes.append("the structured result was too long and is a text")
            structured, room = None, max_bytes
    made.structured = structured
    text = _clean("\n".join([*texts, written] if structured is None and written else texts))
    made.text = _beginning(text, room, made.notes)
    if len(made.text) < len(text):
        made.whole = Whole(text, is_json=not texts and bool(written))
    made.media = _media(result.content, made.notes)
    made.links = _links(result.content, made.notes)
    return made


def _as_json(value: Any, levels: int = 2) -> str:
    """The value as JSON. The first levels part by part, so that nothing waits long for it."""
    if levels and isinstance(value, list):
        return f"[{', '.join([_as_json(each, levels - 1) for each in value])}]"
    if levels and isinstance(value, dict):
        parts = [f"{_as_json(key)}: {_as_json(each, levels - 1)}" for key, each in value.items()]
        return f"{{{', '.join(parts)}}}"
    return json.dumps(value, ensure_ascii=False)


def _repeats(text: str, structured: Any) -> bool:
    """Servers send the same JSON as a text too, for clients that do not read structures."""
    if text[:1] not in "{[":
        return False
    try:
        return bool(json.loads(text) == structured)
    except (ValueError, RecursionError):
        return False


def _beginning(text: str, most: int, notes: list[str]) -> str:
    if len(text) <= most:
        return text
    notes.append(f"the text was cut: it has {len(text)} characters, and these are the first {most}")
    return text[:most]


def _clean(value: Any) -> Any:
    """A value of JSON without hidden texts and secrets."""
    if isinstance(value, str):
        return mask(visible(value))[0]
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_clean(str(name)): _clean(each) for name, each in value.items()}
    # JSON has no NaN, but servers in Python write it.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def _media(parts: Sequence[Part], notes: list[str]) -> list[Media]:
    found: list[Media] = []
    size = left_out = 0
    for each in parts:
        if not isinstance(each, ImagePart | AudioPart):
            continue
        kind = "image" if isinstance(each, ImagePart) else "audio"
        size += len(each.data)
        fits = len(found) < MOST_MEDIA and size <= LARGEST_MEDIA
        if fits and each.mime_type.startswith(f"{kind}/") and _is_base64(each.data):
            found.append(Media(kind, each.mime_type[:100], each.data))
        else:
            left_out += 1
    if left_out:
        notes.append(f"{left_out} images or sounds were left out: too large, too many, or broken")
    return found


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(data)


def _links(parts: Sequence[Part], notes: list[str]) -> list[Link]:
    found = [each for each in parts if isinstance(each, LinkPart)]
    if len(found) > MOST_LINKS:
        notes.append(f"{len(found) - MOST_LINKS} links were left out")
    return [
        Link(
            _clean(each.uri[:LONGEST_LINK]),
            _clean(each.name[:LONGEST_NAME]),
            each.mime_type[:100],
        )
        for each in found[:MOST_LINKS]
    ]
