"""The type of a file by its content, checked against what its name and its sender say."""

import json
import mimetypes
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.files import names

# A file of these is never read for text, never shown inline, and can be refused by a setting.
Family: TypeAlias = Literal["executable", "archive", "image", "audio", "video", "text", "other"]
OPAQUE = "application/octet-stream"
PDF = "application/pdf"
OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = f"{OFFICE}.wordprocessingml.document"
ZIP = "application/zip"
# The first bytes, from which place on, the type.
SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"WAVE", 8, "audio/wav"),
    (b"AVI ", 8, "video/x-msvideo"),
    (b"%PDF-", 0, PDF),
    (b"PK\x03\x04", 0, ZIP),
    (b"PK\x05\x06", 0, ZIP),
    (b"\x1f\x8b", 0, "application/gzip"),
    (b"BZh", 0, "application/x-bzip2"),
    (b"\xfd7zXZ\x00", 0, "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", 0, "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", 0, "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", 0, "application/vnd.rar"),
    (b"ustar", 257, "application/x-tar"),
    (b"\x7fELF", 0, "application/x-executable"),
    (b"MZ", 0, "application/x-msdownload"),
    (b"\xfe\xed\xfa\xce", 0, "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", 0, "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", 0, "application/x-mach-binary"),
    (b"\xca\xfe\xba\xbe", 0, "application/java-vm"),
    (b"\x00asm", 0, "application/wasm"),
    (b"#!", 0, "text/x-script"),
    (b"ID3", 0, "audio/mpeg"),
    (b"\xff\xfb", 0, "audio/mpeg"),
    (b"\xff\xf3", 0, "audio/mpeg"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x1aE\xdf\xa3", 0, "video/webm"),
)
# Of these, the first bytes are a word that a text may begin with.
WORDS = ("application/x-msdownload", "application/x-bzip2", "audio/mpeg")
# The folder that makes a zip file a document.
FOLDERS = (
    (b"word/", DOCX),
    (b"xl/", f"{OFFICE}.spreadsheetml.sheet"),
    (b"ppt/", f"{OFFICE}.presentationml.presentation"),
)
# The first file of other documents in a zip file, stored as it is.
FIRST_FILE = re.compile(
    rb"PK\x03\x04.{26}mimetype"
    rb"(application/(?:epub\+zip|vnd\.oasis\.opendocument\.[a-z-]{1,40}))PK",
    re.DOTALL,
)
# What the brand of a file with boxes says, where it is no video.
BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"mif1": "image/heic",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
}
RIFF = ("image/webp", "audio/wav", "video/x-msvideo")
EXECUTABLES = {
    "application/x-executable",
    "application/x-msdownload",
    "application/x-mach-binary",
    "application/java-vm",
    "application/wasm",
    "text/x-script",
}
ARCHIVES = {
    ZIP,
    "application/gzip",
    "application/x-bzip2",
    "application/x-xz",
    "application/zstd",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-tar",
}
# Names by which others call the same type.
SAME = {
    "image/jpg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "application/x-gzip": "application/gzip",
    "application/x-zip-compressed": ZIP,
    "application/x-pdf": PDF,
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/mp4a-latm": "audio/mp4",
    "image/heif": "image/heic",
    "video/quicktime": "video/mp4",
    "audio/webm": "video/webm",
    "video/x-matroska": "video/webm",
    "video/ogg": "audio/ogg",
    "application/x-javascript": "text/javascript",
    "application/javascript": "text/javascript",
    "text/xml": "application/xml",
}
# Text whose types say how to read it. Others are text/plain.
TEXTS = (
    "text/html",
    "text/csv",
    "text/markdown",
    "text/plain",
    "text/css",
    "text/javascript",
    "text/x-python",
    "text/x-diff",
    "application/json",
    "application/xml",
    "application/yaml",
    "image/svg+xml",
)
ENDINGS = {
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
    ".yml": "application/yaml",
    ".yaml": "application/yaml",
    ".diff": "text/x-diff",
    ".patch": "text/x-diff",
    ".docx": DOCX,
    ".webp": "image/webp",
    ".log": "text/plain",
}
# Types of other zip files, which need no note.
ZIPPED = (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".jar", ".whl", ".apk")


@dataclass(frozen=True)
class Found:
    """`note`: how the content differs from what was said of it."""

    type: str
    note: str | None = None

    @property
    def family(self) -> Family:
        return family(self.type)


def family(kind: str) -> Family:
    if kind in EXECUTABLES:
        return "executable"
    if kind in ARCHIVES:
        return "archive"
    if kind in TEXTS:
        return "text"
    first = kind.partition("/")[0]
    return first if first in ("image", "audio", "video", "text") else "other"  # type: ignore[return-value]


def find(head: bytes, name: str, given: str, *, whole: bool) -> Found:
    """The type by the first bytes. `whole`: they are all bytes."""
    if not head:
        return Found("application/x-empty", "the file is empty")
    said = _claim(name, given)
    real = _by_signature(head) or _by_text(head, said, whole=whole) or _by_library(head) or OPAQUE
    if real == "video/mp4" and said == "audio/mp4":
        # Many programs write sound alone with the brand of a video.
        return Found(said)
    if said and said != real and not (real == ZIP and names.ending(name) in ZIPPED):
        if real == OPAQUE:
            return Found(OPAQUE, f"its content is not {said}, which it is said to be")
        return Found(real, f"its content is {real}, not {said}, which it is said to be")
    return Found(real)


def _claim(name: str, given: str) -> str:
    """The type by the ending of the name, else what the sender says; empty if nobody knows."""
    ending = names.ending(name)
    guess = ENDINGS.get(ending) or mimetypes.guess_type(f"x{ending}")[0] or ""
    said = guess or given.partition(";")[0].strip().lower()
    said = SAME.get(said, said)
    return "" if said in (OPAQUE, "application/x-empty") else said


def _by_signature(head: bytes) -> str | None:
    for magic, place, kind in SIGNATURES:
        if head[place : place + len(magic)] == magic:
            if kind in RIFF and head[:4] != b"RIFF":
                continue
            if kind in WORDS and _is_plain(head):
                continue
            if kind == "video/mp4":
                return BRANDS.get(head[8:12], kind)
            return _in_zip(head) if kind == ZIP else kind
    return None


def _is_plain(head: bytes) -> bool:
    """Whether it is a text that only begins as another file does."""
    return all(each >= 32 or each in b"\t\n\r\f\x1b" for each in head[:4096])


def _in_zip(head: bytes) -> str:
    """The type of a document in a zip file."""
    if found := FIRST_FILE.match(head):
        return found[1].decode()
    if b"[Content_Types].xml" not in head[:4096]:
        return ZIP
    return next((kind for folder, kind in FOLDERS if folder in head), ZIP)


def _by_text(head: bytes, said: str, *, whole: bool) -> str | None:
    """A type of text, if the bytes are text: UTF-8, or UTF-16 with its mark."""
    text = decode(head, whole=whole)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")[:1000].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "text/html"
    if start.startswith("<svg") or (start.startswith("<?xml") and "<svg" in start):
        return "image/svg+xml"
    if start.startswith("<?xml"):
        return "application/xml"
    if said == "application/json" and whole and not _is_json(text):
        return "text/plain"
    return said if family(said) == "text" and said not in EXECUTABLES else "text/plain"


def decode(head: bytes, *, whole: bool) -> str | None:
    """The bytes as a text, or None. Without `whole`, a character may be cut at the end."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return head[: len(head) // 2 * 2].decode("utf-16")
        except UnicodeDecodeError:
            return None
    if b"\0" in head:
        return None
    for cut in range(1 if whole else 4):
        try:
            return head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
    # Text of old programs: every byte has a meaning, but few are control characters.
    odd = sum(each < 32 and each not in b"\t\n\r\f\x1b" for each in head[:4096])
    return head.decode("latin-1") if not odd else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _by_library(head: bytes) -> str | None:
    import puremagic  # noqa: PLC0415 - few files need it

    try:
        found = puremagic.magic_string(head[:8192])
    except (puremagic.PureError, ValueError):
        return None
    kinds = [each.mime_type for each in found if each.mime_type and each.confidence >= 0.4]
    return SAME.get(kinds[0], kinds[0])[:120] if kinds else None
