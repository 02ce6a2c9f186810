"""The package of a plug-in, `NAME-VERSION.hubbub-plugin`: a zip file with a list of checksums.

The same files always make the same bytes. Its digest is that of the list, so it stays the same
however the files are packed, and it is what publishers sign.
"""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bot.kernel.yaml_file import Unreadable
from bot.plugins import manifest_file, package_paths
from bot.plugins.manifest import FILE, SANDBOXED, Manifest
from bot.plugins.package_paths import WrongPath

SUFFIX = ".hubbub-plugin"
CHECKSUMS, SIGNATURE = "hubbub-plugin.sha256", "hubbub-plugin.sig"
MOST_FILES = 2_000
# An archive, and all of its files. A component with Python inside has about 40 MB.
LARGEST_ARCHIVE, LARGEST = 64 * 2**20, 128 * 2**20
# The record at the end of an archive, and the directory that it names: of each entry 46 bytes, the
# path, and what programs add to it.
END, END_MARK = struct.Struct("<4s4H2LH"), b"PK\5\6"
LARGE_MARK = b"PK\6\7"
LONGEST_COMMENT = 2**16
LARGEST_DIRECTORY = MOST_FILES * (46 + 4 * package_paths.LONGEST)
PIECE = 2**20
# What a folder holds beside the plug-in.
SKIPPED = frozenset({"__pycache__", "dist", "build", "node_modules"})
# Compiled code, former packages, and the key that signs.
UNPACKED = frozenset({".pyc", ".key", SUFFIX})
# The earliest time that a zip file can have.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


class WrongPackage(Exception):
    """The package cannot be used; the text says why."""


@dataclass(frozen=True)
class Package:
    """`files`: without the list of checksums and the signature."""

    files: Mapping[str, bytes]
    signature: bytes | None = None

    @cached_property
    def checksums(self) -> bytes:
        return "".join(
            f"{hashlib.sha256(data).hexdigest()}  {path}\n"
            for path, data in sorted(self.files.items())
        ).encode()

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.checksums).hexdigest()

    @cached_property
    def manifest(self) -> Manifest:
        """Raise WrongPackage."""
        if FILE not in self.files:
            raise WrongPackage(f"It has no file {FILE}.")
        try:
            found = manifest_file.parse(self.files[FILE])
        except Unreadable as exc:
            raise WrongPackage("\n".join(f"{FILE}: {each}" for each in exc.problems)) from exc
        if found.kind in SANDBOXED and found.entry not in self.files:
            raise WrongPackage(f"{FILE}: entry: the package has no file {found.entry}.")
        return found

    @property
    def name(self) -> str:
        return f"{self.manifest.name}-{self.manifest.version}{SUFFIX}"

    def with_signature(self, signature: bytes) -> "Package":
        return replace(self, signature=signature)


def read(path: Path) -> Package:
    """The package in a folder or an archive. Raise WrongPackage."""
    if path.is_dir():
        return of_folder(path)
    try:
        if path.stat().st_size > LARGEST_ARCHIVE:
            raise _too_large()
        return unpack(path.read_bytes())
    except OSError as exc:
        raise WrongPackage(f"Cannot read {path}: {exc.strerror}.") from exc


# --- A folder ------------------------------------------------------------------------------------


def of_folder(folder: Path) -> Package:
    """Raise WrongPackage."""
    files: dict[str, bytes] = {}
    for path in _files_below(folder):
        with path.open("rb") as opened:
            files[path.relative_to(folder).as_posix()] = opened.read(LARGEST + 1)
        _check_size(files)
    _check_paths(files)
    files.pop(CHECKSUMS, None)
    return Package(files, files.pop(SIGNATURE, None))


def _files_below(folder: Path) -> Iterator[Path]:
    for each in sorted(folder.iterdir()):
        if each.name in SKIPPED or each.name.startswith(".") or each.suffix in UNPACKED:
            continue
        if each.is_symlink():
            raise WrongPackage(f"{each} is a symbolic link. Put the file itself there.")
        if each.is_dir():
            yield from _files_below(each)
        elif each.is_file():
            yield each


# --- An archive ----------------------------------------------------------------------------------


def pack(package: Package) -> bytes:
    made = io.BytesIO()
    extra = {CHECKSUMS: package.checksums}
    if package.signature is not None:
        extra[SIGNATURE] = package.signature
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, data in sorted({**package.files, **extra}.items()):
            entry = zipfile.ZipInfo(path, LONG_AGO)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return made.getvalue()


def unpack(data: bytes) -> Package:
    """Raise WrongPackage for what is no package, or a dangerous one."""
    if len(data) > LARGEST_ARCHIVE:
        raise _too_large()
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _read_entries(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as exc:
        raise WrongPackage(f"It is no {SUFFIX} file, or a damaged one: {exc}.") from exc
    given, signature = files.pop(CHECKSUMS, None), files.pop(SIGNATURE, None)
    package = Package(files, signature)
    if given is None:
        raise WrongPackage(f"It has no file {CHECKSUMS}. Make it with `hubbub plugin sign`.")
    if given != package.checksums:
        raise WrongPackage(f"{CHECKSUMS} does not fit the files: the package was changed.")
    return package


def _check_directory(data: bytes) -> None:
    """Before zipfile reads all of it: each entry costs it far more memory than the file has.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.16
    """
    at = _end_of_directory(data)
    if not 0 <= at <= len(data) - END.size:
        raise WrongPackage(f"It is no {SUFFIX} file, or a damaged one: its end is missing.")
    _, _, _, _, count, size, _, _ = END.unpack_from(data, at)
    if count > MOST_FILES:
        raise WrongPackage(f"It has {count} files; the limit is {MOST_FILES}.")
    if size > LARGEST_DIRECTORY:
        raise WrongPackage(f"Its directory has {size} bytes; the limit is {LARGEST_DIRECTORY}.")
    # Another record would stand in place of this one.
    if data[max(at - 20, 0) : at].startswith(LARGE_MARK):
        raise WrongPackage("It has the form of an archive for large files, which no package needs.")


def _end_of_directory(data: bytes) -> int:
    """Where zipfile finds the record at the end: a comment may follow it."""
    last = len(data) - END.size
    if data[last:].startswith(END_MARK) and data.endswith(bytes(2)):
        return last
    return data.rfind(END_MARK, max(last - LONGEST_COMMENT, 0))


def _read_entries(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise WrongPackage(f"It has {len(entries)} files; the limit is {MOST_FILES}.")
    names = [each.filename for each in entries]
    _check_paths(names)
    if twice := next((name for name, n in Counter(names).items() if n > 1), None):
        raise WrongPackage(f"It has two files {twice!r}.")
    files: dict[str, bytes] = {}
    for entry in entries:
        _check_entry(entry)
        left = LARGEST - sum(map(len, files.values()))
        files[entry.filename] = _read_entry(archive, entry, left)
    return files


def _check_entry(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise WrongPackage(f"{entry.filename!r} is no plain file, but a link or a device.")
    if entry.flag_bits & 1:
        raise WrongPackage(f"{entry.filename!r} is encrypted.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise WrongPackage(f"{entry.filename!r} is compressed in an unusual way.")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The file. Its header may lie about its size, so what comes out is counted."""
    made = bytearray()
    with archive.open(entry) as file:
        while piece := file.read(PIECE):
            made += piece
            if len(made) > most:
                raise WrongPackage(f"Its files have more than {LARGEST // 2**20} MB.")
    return bytes(made)


def _check_paths(names: Iterable[str]) -> None:
    listed = list(names)
    try:
        for each in listed:
            package_paths.check(each)
        package_paths.check_apart(listed)
    except WrongPath as exc:
        raise WrongPackage(str(exc)) from exc


def _check_size(files: Mapping[str, bytes]) -> None:
    if len(files) > MOST_FILES:
        raise WrongPackage(f"It has more than {MOST_FILES} files.")
    if sum(map(len, files.values())) > LARGEST:
        raise WrongPackage(f"Its files have more than {LARGEST // 2**20} MB.")


def _too_large() -> WrongPackage:
    return WrongPackage(f"It has more than {LARGEST_ARCHIVE // 2**20} MB.")
