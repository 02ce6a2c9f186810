"""Looks at a package before it is installed: what its code could do, and what should not be in it.

A scan finds carelessness and the usual tricks. It proves nothing: only the sandbox holds code back.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bot.plugins import versions
from bot.plugins.package import Package, WrongPackage
from bot.plugins.signatures import PRIVATE
from bot.secret_formats import first

Severity: TypeAlias = Literal["danger", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("danger", "warning", "info")
MOST_FINDINGS = 200
# No module that people write has so many bytes. Tiny statements need 900 times as many when they
# are parsed.
LARGEST_SOURCE = 2**20
# Bytes of all modules.
MOST_PARSED = 8 * 2**20
LARGE = 20 * 2**20
BINARIES = {
    b"\x7fELF": "a program or library for Linux",
    b"MZ": "a program or library for Windows",
    b"\xcf\xfa\xed\xfe": "a program or library for macOS",
    b"\xca\xfe\xba\xbe": "a program or library for macOS, or Java code",
}
# What code can do with these modules.
MODULES = {
    "ctypes": "calls native code",
    "cffi": "calls native code",
    "multiprocessing": "starts processes",
    "subprocess": "starts processes",
    "pty": "starts processes",
    "socket": "opens connections past the permissions",
    "socketserver": "opens connections past the permissions",
    "ssl": "opens connections past the permissions",
    "http": "opens connections past the permissions",
    "urllib.request": "opens connections past the permissions",
    "aiohttp": "opens connections past the permissions",
    "httpx": "opens connections past the permissions",
    "requests": "opens connections past the permissions",
    "pickle": "runs code that is hidden in data",
    "marshal": "runs code that is hidden in data",
    "importlib": "loads code by name",
    "sqlite3": "opens databases past the permissions",
    "aiomysql": "opens databases past the permissions",
    "store": "reaches into Hubbub's database past the permissions",
    "bot": "reaches into Hubbub past the permissions",
}
CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "runs text as code",
    "__import__": "loads code by name",
    "os.system": "starts processes",
    "os.popen": "starts processes",
    "os.fork": "starts processes",
    "os.kill": "ends processes",
    "os.environ": "reads the settings of the server",
    "os.getenv": "reads the settings of the server",
    "shutil.rmtree": "removes files",
}
OF_OS = re.compile(r"os\.(exec|spawn|posix_spawn)\w*")
# A line of a requirements file that pins a version.
REQUIREMENT = re.compile(rf"([A-Za-z0-9][\w.-]*) ?== ?({versions.VERSION})")


@dataclass(frozen=True)
class Finding:
    severity: Severity
    file: str
    line: int
    what: str

    @property
    def words(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.severity}: {place}: {self.what}"


@dataclass(frozen=True)
class Report:
    files: int
    size: int
    digest: str
    findings: Sequence[Finding]
    # Those that the report leaves out.
    more: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Advisory:
    package: str
    affected: str
    text: str


def scan(package: Package, advisories: Sequence[Advisory] = ()) -> Report:
    """Raise WrongPackage if there is too much code. `scan_process.scan` bounds the time too."""
    _check_scannable(package)
    found = sorted(
        _findings(package, advisories),
        key=lambda each: (SEVERITIES.index(each.severity), each.file, each.line, each.what),
    )
    size = sum(map(len, package.files.values()))
    shown = found[:MOST_FINDINGS]
    return Report(len(package.files), size, package.digest, shown, len(found) - len(shown))


def _check_scannable(package: Package) -> None:
    """Code that nobody looked at must not look as if it were harmless."""
    modules = {path: len(data) for path, data in package.files.items() if path.endswith(".py")}
    for path, size in modules.items():
        if size > LARGEST_SOURCE:
            raise WrongPackage(
                f"It is too large to scan: {path} has {size} bytes; the limit of a module is "
                f"{LARGEST_SOURCE}. Put data into a file of its own."
            )
    if (total := sum(modules.values())) > MOST_PARSED:
        raise WrongPackage(
            f"It is too large to scan: its modules have {total} bytes; the limit is {MOST_PARSED}."
        )


def _findings(package: Package, advisories: Sequence[Advisory]) -> Iterator[Finding]:
    trusted = package.manifest.kind == "python"
    size = sum(map(len, package.files.values()))
    if size > LARGE:
        yield Finding("info", "the package", 0, f"has {size // 2**20} MB")
    for path, data in package.files.items():
        yield from _of_binary(path, data, is_entry=path == package.manifest.entry)
        yield from _of_text(path, data)
        if path.endswith(".py"):
            yield from _of_python(path, data, trusted=trusted)
        if Path(path).name.startswith("requirements") and path.endswith(".txt"):
            yield from _of_requirements(path, data, advisories)


def _of_binary(path: str, data: bytes, *, is_entry: bool) -> Iterator[Finding]:
    kind = next((words for start, words in BINARIES.items() if data.startswith(start)), None)
    if kind:
        severity: Severity = "warning" if is_entry else "danger"
        yield Finding(severity, path, 0, f"is {kind}, which nobody can read")


def _of_text(path: str, data: bytes) -> Iterator[Finding]:
    """Secrets that somebody left in a text."""
    try:
        text = data[:LARGEST_SOURCE].decode()
    except UnicodeDecodeError:
        return
    if secret := first(text):
        line = text.count("\n", 0, secret.start) + 1
        yield Finding("danger", path, line, f"has {secret.name} in it")
    if text.startswith(PRIVATE):
        yield Finding("danger", path, 1, "is a private key of a publisher")


def _of_python(path: str, data: bytes, *, trusted: bool) -> Iterator[Finding]:
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield Finding("danger", path, 0, "is no Python that can be read")
        return
    # The sandbox holds the code of other kinds back, whatever it tries.
    severity: Severity = "warning" if trusted else "info"
    for line, what, why in _uses(tree):
        yield Finding(severity, path, line, f"uses {what}, which {why}")


def _uses(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _names_in(node):
                if found := _dangerous_module(name):
                    yield node.lineno, found, MODULES[found]
        elif isinstance(node, ast.Name | ast.Attribute):
            name = _name_of(node)
            if name in CALLS:
                yield node.lineno, name, CALLS[name]
            elif OF_OS.fullmatch(name):
                yield node.lineno, name, "starts processes"


def _names_in(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if node.level or node.module is None:
        return []
    return [f"{node.module}.{each.name}" for each in node.names]


def _dangerous_module(name: str) -> str | None:
    # No name in the table has more parts.
    parts = name.split(".", 2)[:2]
    starts = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
    return next((each for each in starts if each in MODULES), None)


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def _of_requirements(path: str, data: bytes, advisories: Sequence[Advisory]) -> Iterator[Finding]:
    for n, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        text = line.split("#")[0].split(";")[0].strip()
        if not text or text.startswith("-"):
            continue
        pinned = REQUIREMENT.match(text)
        if not pinned:
            yield Finding("warning", path, n, f"does not pin a version of {text[:60]}")
            continue
        name, version = pinned[1], pinned[2]
        for each in advisories:
            if _same(each.package, name) and versions.fits(version, each.affected):
                yield Finding("danger", path, n, f"{name} {version}: {each.text}")


def _same(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def advisories(path: Path) -> list[Advisory]:
    """A JSON list of {package, affected, text}; `affected` is a range. Raise WrongPackage."""
    try:
        given = json.loads(path.read_bytes())
        found = [Advisory(each["package"], each["affected"], each["text"]) for each in given]
    except OSError as exc:
        raise WrongPackage(f"Cannot read {path}: {exc.strerror}.") from exc
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise WrongPackage(
            f"{path} is no list of advisories: see docs/reference/plugins.md."
        ) from exc
    if wrong := next((e for e in found if not re.fullmatch(versions.RANGE, e.affected)), None):
        raise WrongPackage(f"{path}: {wrong.affected!r} {versions.RANGE_WORDS}.")
    return found


def lines(report: Report) -> list[str]:
    """The report for people."""
    head = f"{report.files} files, {report.size} bytes, digest {report.digest}"
    counts: Mapping[str, int] = {
        each: sum(found.severity == each for found in report.findings) for each in SEVERITIES
    }
    total = ", ".join(f"{n} {each}" for each, n in counts.items() if n) or "no findings"
    more = [f"and {report.more} more"] if report.more else []
    return [head, f"scan: {total}", *(each.words for each in report.findings), *more]
