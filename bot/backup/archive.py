"""The file of a backup: a header, and lines that are compressed, framed and maybe encrypted.

HUBBUB BACKUP 1
{"format": 1, "created_at": …, "revision": …, "key_id": …, "encryption": …}
frames (see `bot.backup.frames`) of a zlib stream of lines
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from bot.backup import frames
from bot.backup.frames import BadBackup, FrameWriter

MAGIC = b"HUBBUB BACKUP 1\n"
FORMAT = 1
LONGEST_HEADER = 4096
# One row; a payload of 25 MB is the largest.
LONGEST_LINE = 128 * 1024**2
# How much is decompressed at a time, whatever a frame claims to contain.
INFLATED = 1024**2
# Fast: a higher level takes three times as long and saves a tenth.
LEVEL = 3


@dataclass(frozen=True)
class Header:
    """What can be read of a backup without its passphrase.

    `created_at`: microseconds. `revision`: of the schema. `key_id`: of the main secret.
    """

    created_at: int
    revision: str
    key_id: str
    hubbub: str
    encryption: dict[str, Any] | None
    format: int = FORMAT


class ArchiveWriter:
    def __init__(self, file: BinaryIO, header: Header, passphrase: bytes | None) -> None:
        line = json.dumps(asdict(header)).encode() + b"\n"
        file.write(MAGIC + line)
        encrypts = None
        if header.encryption is not None and passphrase is not None:
            encrypts = frames.cipher(header.encryption, passphrase, line)
        self._frames = FrameWriter(file, encrypts)
        self._compressor = zlib.compressobj(LEVEL)

    def write(self, lines: bytes) -> None:
        self._frames.write(self._compressor.compress(lines))

    def end(self) -> None:
        self._frames.write(self._compressor.flush())
        self._frames.end()


def read_header(file: BinaryIO) -> tuple[Header, bytes]:
    """The header, and its line. Raise BadBackup."""
    if file.read(len(MAGIC)) != MAGIC:
        raise BadBackup(
            "it does not begin as a backup of Hubbub does, or it has a format that this version "
            "does not know"
        )
    line = file.readline(LONGEST_HEADER)
    try:
        found = json.loads(line)
        header = Header(**found)
        if not isinstance(header.created_at, int) or header.format != FORMAT:
            raise BadBackup("its header is of another format")
    except (ValueError, TypeError) as exc:
        raise BadBackup("its header cannot be read") from exc
    return header, line


def read_lines(file: BinaryIO, passphrase: bytes | None) -> Iterator[bytes]:
    """The lines of a backup, each with its end. Raise BadBackup."""
    header, line = read_header(file)
    decrypts = None
    if header.encryption is not None:
        if passphrase is None:
            raise BadBackup(
                "it is encrypted: pass --passphrase-file, or set HUBBUB_BACKUP_PASSPHRASE_FILE"
            )
        decrypts = frames.cipher(header.encryption, passphrase, line)
    elif passphrase is not None:
        # Somebody without the passphrase may have put it in the place of an encrypted one.
        raise BadBackup(
            "it is not encrypted, although there is a passphrase: if you made it so, leave the "
            "passphrase out and unset HUBBUB_BACKUP_PASSPHRASE_FILE"
        )
    yield from _split(_inflate(frames.read_frames(file, decrypts)))


def _inflate(found: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    for frame in found:
        rest = frame
        while rest:
            try:
                yield inflater.decompress(rest, INFLATED)
            except zlib.error as exc:
                raise BadBackup("it cannot be decompressed: the file was changed") from exc
            rest = inflater.unconsumed_tail
    yield inflater.flush()
    if not inflater.eof or inflater.unused_data:
        raise BadBackup("its compressed content does not end where the file ends")


def _split(found: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in found:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            raise BadBackup("a line is longer than Hubbub writes one")
        for each in lines:
            yield each + b"\n"
    if rest:
        raise BadBackup("its last line has no end")
