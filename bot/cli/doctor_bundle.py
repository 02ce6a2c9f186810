"""`hubbub doctor --bundle`: a file for a bug report, without secrets and private text.

Errors are shown by their kind: their words may quote what people wrote. Two errors with the same
fingerprint have the same words.
"""

import asyncio
import io
import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from bot import secret_formats
from bot.cli import doctor, doctor_settings
from bot.cli.doctor import Result
from bot.cli.output import say
from bot.cli.session import Session, open_session
from bot.errors import CODES
from bot.fetch.kinds import KINDS as READS
from bot.mirror.webhooks import EVENTS
from bot.outbox.kinds import KINDS as WRITES
from bot.settings import Settings, WrongSettings
from bot.setup import private_files
from bot.times import stamp
from store.engine import schema_version
from store.engine.mysql_address import address, names_mysql
from store.engine.transaction import StoreError, Tx
from store.inbox import backlog, diagnostics

MOST_ERRORS = 20
FINGERPRINT = 12
PRIVATE = "[private]"
KNOWN_KINDS = {*EVENTS, *READS, *WRITES}
# What an error begins with: the name of an exception, or a status of HTTP.
KIND = re.compile(r"[A-Za-z]{1,60}(?:Error|Exception|Refused|Failed|Timeout)\b|[1-5]\d\d\b")
README = """\
A bug report of Hubbub, made by `hubbub doctor --bundle`.

checks.jsonl     what `hubbub doctor` found
counts.json      how many rows are in each state
errors.json      the newest errors, by their kind
migrations.json  the schema of the database
settings.json    the settings; of secrets, names and addresses only whether they are set
versions.json    Hubbub, Python, the libraries and the database

It has no secret, no text from GitHub, no name of an account or a repository. Look through it
before you attach it to an issue.
"""


def write(loaded: Settings, file: str) -> int:
    """Write the file and print the checks. Return 1 if a check failed, else 0."""
    path = Path(file).absolute()
    if path.exists():
        raise WrongSettings(f"--bundle: {path} exists already. Name another file.")
    found, parts = asyncio.run(_collect(loaded))
    private_files.create(path, _pack(parts, loaded))
    for each in found:
        say(doctor.line(each))
    say(f"Written: {path}. It has no secrets and no private text. Look through it first.")
    return int(not all(each.right for each in found))


async def _collect(loaded: Settings) -> tuple[list[Result], dict[str, str]]:
    found = [each async for each in doctor.results(loaded)]
    return found, await _parts(loaded, found)


async def _parts(loaded: Settings, found: Iterable[Result]) -> dict[str, str]:
    names = doctor_settings.private_texts(loaded)
    parts = {
        "README.txt": README,
        "checks.jsonl": "".join(f"{json.dumps(_check(each, names))}\n" for each in found),
        "settings.json": _json(doctor_settings.without_secrets(loaded)),
        "versions.json": _json(versions(loaded)),
    }
    return parts | await _of_database(loaded)


def _check(result: Result, names: Iterable[str]) -> dict[str, Any]:
    words = result.words
    for each in sorted({*result.private, *names, str(Path.cwd()), str(Path.home())}, key=len)[::-1]:
        words = re.sub(re.escape(each), PRIVATE, words, flags=re.IGNORECASE) if each else words
    return {"check": result.check, "ok": result.right, "message": words}


def versions(loaded: Settings) -> dict[str, Any]:
    libraries = sorted((each.metadata["Name"], each.version) for each in metadata.distributions())
    url = loaded.database_url
    return {
        "hubbub": metadata.version("hubbub"),
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "driver": address(url).driver if names_mysql(url) else "sqlite3",
        "libraries": dict(libraries),
    }


async def _of_database(loaded: Settings) -> dict[str, str]:
    """What the database says. If it cannot be opened, `checks.jsonl` says why."""
    try:
        if schema_version.is_empty(loaded.database_url):
            return {"migrations.json": _json({"schema": None, "newest": schema_version.newest()})}
        migrations = _migrations(loaded.database_url)
        async with open_session(loaded) as session:
            counts, errors = await _counts(session), await _errors(session)
    except (StoreError, WrongSettings):
        return {}
    return {
        "counts.json": _json(counts),
        "errors.json": _json(errors),
        "migrations.json": _json(migrations),
    }


def _migrations(url: str) -> dict[str, Any]:
    """The revisions that the program knows, and which of them the database has."""
    schema = schema_version.revision(url)
    known = sorted(path.stem for path in (schema_version.MIGRATIONS / "versions").glob("0*.py"))
    revisions = [{"revision": each, "applied": each[:4] <= (schema or "")} for each in known]
    return {"schema": schema, "newest": schema_version.newest(), "revisions": revisions}


async def _counts(session: Session) -> dict[str, Any]:
    async def read(tx: Tx) -> dict[str, Any]:
        rows = {table: await backlog.by_state(tx, table) for table in backlog.TABLES}
        return {"database": await diagnostics.engine_version(tx), "rows": rows}

    return await session.store.read(read)


async def _errors(session: Session) -> dict[str, list[dict[str, Any]]]:
    async def read(tx: Tx) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for table in diagnostics.TABLES:
            rows = await diagnostics.newest(tx, table, MOST_ERRORS)
            found[table] = [_failure(each, session) for each in rows]
        return found

    return await session.store.read(read)


def _failure(row: Mapping[str, Any], session: Session) -> dict[str, Any]:
    error = row["error"] if isinstance(row["error"], str) else json.dumps(row["error"])
    return {
        # An event of which Hubbub knows nothing may have any name.
        "kind": row["kind"] if row["kind"] in KNOWN_KINDS else PRIVATE,
        "state": row["state"],
        "at": stamp(row["not_before"]),
        "error": kind_of(error),
        # With a key, so that nobody can try out what the words may be.
        "fingerprint": session.keys.sign("bug report", error)[:FINGERPRINT],
    }


def kind_of(error: str) -> str:
    """The kind of an error without its words."""
    with_code = re.search(r'"code": ?"(\w+)"', error)
    if with_code and with_code[1] in CODES:
        return with_code[1]
    found = KIND.match(error)
    return found[0] if found else PRIVATE


def _pack(parts: Mapping[str, str], loaded: Settings) -> bytes:
    """The file. At last each secret is looked for: none may have slipped in with a check."""
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(f"hubbub-report/{name}", _mask(text, loaded))
    return made.getvalue()


def _mask(text: str, loaded: Settings) -> str:
    for each in doctor_settings.secrets(loaded):
        for form in (each, json.dumps(each)[1:-1]):
            text = text.replace(form, secret_formats.MASK)
    return secret_formats.mask(text)[0]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
