"""The size of an image, and the duration of audio and video, by the first bytes of a file.

Each reader looks at a few numbers at known places. What is not there, or makes no sense, is left
out: nothing of a file can make it fail or take long.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

Facts: TypeAlias = dict[str, int | float]
# Pixels on a side, and seconds. More is nonsense.
MOST_PIXELS, MOST_SECONDS = 1_000_000, 10_000_000
# How many parts of a file are looked at.
MOST_PARTS = 200


def find(head: bytes, kind: str, size: int) -> Facts:
    """`size`: of the whole file."""
    reader = READERS.get(kind)
    if reader is None:
        return {}
    try:
        return {k: v for k, v in reader(head, size).items() if _is_sensible(k, v)}
    except (struct.error, IndexError, ValueError, ZeroDivisionError, OverflowError):
        return {}


def _is_sensible(name: str, value: float) -> bool:
    return 0 < value <= (MOST_SECONDS if name == "duration_s" else MOST_PIXELS)


def _sides(width: int, height: int) -> Facts:
    return {"width": width, "height": height}


def _png(head: bytes, _size: int) -> Facts:
    return _sides(*struct.unpack_from(">II", head, 16))


def _gif(head: bytes, _size: int) -> Facts:
    return _sides(*struct.unpack_from("<HH", head, 6))


def _webp(head: bytes, _size: int) -> Facts:
    kind = head[12:16]
    if kind == b"VP8X":
        return _sides(
            int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        )
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return _sides((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", head, 26)
    return _sides(width & 0x3FFF, height & 0x3FFF)


def _jpeg(head: bytes, _size: int) -> Facts:
    place = 2
    for _ in range(MOST_PARTS):
        marker, length = struct.unpack_from(">HH", head, place)
        # The frames, without the tables that have numbers in the same range.
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from(">HH", head, place + 5)
            return _sides(width, height)
        place += 2 + max(length, 2)
    return {}


def _wav(head: bytes, size: int) -> Facts:
    rate = 0
    for name, start, length in _riff_parts(head):
        if name == b"fmt ":
            (rate,) = struct.unpack_from("<I", head, start + 8)
        if name == b"data":
            return {"duration_s": round(min(length, size) / rate, 3)}
    return {}


def _riff_parts(head: bytes) -> Iterator[tuple[bytes, int, int]]:
    place = 12
    for _ in range(MOST_PARTS):
        (length,) = struct.unpack_from("<I", head, place + 4)
        yield head[place : place + 4], place + 8, length
        place += 8 + length + length % 2


def _flac(head: bytes, _size: int) -> Facts:
    bits = int.from_bytes(head[18:26], "big")
    return {"duration_s": round((bits & 0xFFFFFFFFF) / (bits >> 44), 3)}


def _mp4(head: bytes, _size: int) -> Facts:
    """From the box `mvhd` in `moov`, if it is at the beginning of the file."""
    moov = next(_boxes(head, 0, b"moov"))
    start = next(_boxes(head, moov, b"mvhd"))
    if head[start] == 1:
        scale, duration = struct.unpack_from(">IQ", head, start + 20)
    else:
        scale, duration = struct.unpack_from(">II", head, start + 12)
    return {"duration_s": round(duration / scale, 3)}


def _boxes(head: bytes, place: int, wanted: bytes) -> Iterator[int]:
    """Where the content of the box with this name begins."""
    for _ in range(MOST_PARTS):
        (length,) = struct.unpack_from(">I", head, place)
        if head[place + 4 : place + 8] == wanted:
            yield place + 8
        place += max(length, 8)
    raise ValueError("there is no such box")


READERS: Mapping[str, Callable[[bytes, int], Facts]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/jpeg": _jpeg,
    "audio/wav": _wav,
    "audio/flac": _flac,
    "video/mp4": _mp4,
}
