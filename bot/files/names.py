"""Names of files, which come from strangers and end in folders, headers and pages."""

import re
import unicodedata

LONGEST = 200
LONGEST_ENDING = 20
# Control characters, and those that change the direction of a text or cannot be seen: with them
# `exe.fdp` is shown as `pdf.exe`.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# What file systems and shells give a meaning.
RESERVED = re.compile(r'[<>:"|?*\\/]')
# Windows opens a device under these names, with any ending.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def clean(name: str) -> str:
    """The last part of the name without what is dangerous; `file` if nothing is left."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name).replace("\0", ""))[-1]
    seen = "".join(each for each in last if unicodedata.category(each) not in UNSEEN)
    safe = RESERVED.sub("_", " ".join(seen.split())).strip(" .")
    if DEVICES.match(safe):
        safe = f"_{safe}"
    return _shorten(safe) or "file"


def _shorten(name: str) -> str:
    if len(name) <= LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > LONGEST_ENDING:
        return name[:LONGEST]
    return f"{stem[: LONGEST - len(ending) - 1]}.{ending}"


def ending(name: str) -> str:
    """The ending in lower case with its dot, or nothing."""
    _, dot, found = name.rpartition(".")
    return f".{found.lower()}" if dot else ""


def header_value(name: str) -> str:
    """The value of Content-Disposition for a download (RFC 6266)."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    encoded = "".join(
        chr(each)
        if chr(each).isascii() and (chr(each).isalnum() or chr(each) in "._-")
        else f"%{each:02X}"
        for each in name.encode()
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
