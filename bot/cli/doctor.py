"""`hubbub doctor`: a line for each check. It changes nothing."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot import settings
from bot.backup import schedule
from bot.cli import app_checks
from bot.cli.app_checks import Finding, wrong
from bot.cli.output import say
from bot.cli.session import BOUND_APP, open_session, safe_url
from bot.errors import Refused
from bot.fetch import given_up
from bot.github.client import GitHub, open_client
from bot.github.payloads import at, text
from bot.github.requests import NoAnswer, link
from bot.identity import keyring
from bot.plugins.sandbox import checks
from bot.settings import GitHubApp, Settings, WrongSettings
from bot.times import SECOND, minute, seconds
from store.engine import key_values, schema_version
from store.engine.database import sqlite_path, system_clock
from store.engine.mysql_address import address, names_mysql
from store.engine.transaction import StoreError, Tx

# `doctor` reads at most this many pages of 100 of a list.
MOST_PAGES = 20
DELIVERIES = "/app/hook/deliveries"


def _installations(found: Any, _: Settings) -> Finding:
    return app_checks.installations(found)


# What else is looked up on GitHub: the name of the check, a path, the JSON type of GitHub's answer,
# and what the answer means.
LOOKS: tuple[tuple[str, str, type, Callable[[Any, Settings], Finding]], ...] = (
    ("webhook", "/app/hook/config", dict, app_checks.hook),
    ("installations", "/app/installations?per_page=100", list, _installations),
)


async def check_all(loaded: Settings, *, as_json: bool = False) -> int:
    """A line for each check: 0 when all hold."""
    all_right = True
    async for each in results(loaded):
        all_right = all_right and each.right
        say(_json(each) if as_json else line(each))
    return int(not all_right)


@dataclass(frozen=True)
class Result:
    """What a check found. `same_as`: the earlier check that failed for the same reason."""

    check: str
    right: bool
    words: str
    same_as: str = ""
    # The parts of the words that a public bug report must not show.
    private: tuple[str, ...] = ()


async def results(loaded: Settings) -> AsyncIterator[Result]:
    failed: dict[str, str] = {}
    async for name, found in _findings(loaded):
        same_as = "" if found.right else failed.get(found.words, "")
        yield Result(name, found.right, found.words, same_as, found.private)
        if not found.right:
            failed.setdefault(found.words, name)


def line(result: Result) -> str:
    if result.right:
        return f"{result.check}: {result.words}"
    if result.same_as:
        return f"{result.check}: WRONG, for the same reason as {result.same_as}"
    return f"{result.check}: WRONG: {result.words}"


def _json(result: Result) -> str:
    return json.dumps(
        {"check": result.check, "ok": result.right, "message": result.words}, ensure_ascii=False
    )


async def _findings(loaded: Settings) -> AsyncIterator[tuple[str, Finding]]:
    yield "names of settings", _names()
    for name, check in (
        ("the App's settings", _app_settings),
        ("database", _database),
    ):
        yield name, await _try(check, loaded)
    async for each in _given_up(loaded):
        yield "reads given up", each
    async for each in _backups(loaded):
        yield "backups", each
    yield "sandboxes of plug-ins", await _sandboxes()
    try:
        app = settings.github_app(loaded)
    except WrongSettings as exc:
        yield "GitHub", wrong(_one_line(exc))
        return
    async with open_client(app) as github:
        try:
            registered = await _get(github, app, "/app", dict)
        except Refused as exc:
            yield "GitHub", wrong(_one_line(exc))
            return
        slug = text(at(registered, "slug"))
        yield "GitHub", Finding(f"{app.api_url} has the App as {slug}", private=(slug,))
        yield "permissions", app_checks.permissions(registered)
        yield "events", app_checks.events(registered)
        was_served = await _was_served(loaded)

        def deliveries(log: Any, loaded: Settings) -> Finding:
            return app_checks.deliveries(log, system_clock(), loaded, was_served=was_served)

        log = "deliveries", f"{DELIVERIES}?per_page=30", list, deliveries
        for name, path, shape, decide in (LOOKS[0], log, *LOOKS[1:]):
            try:
                yield name, decide(await _get(github, app, path, shape), loaded)
            except Refused as exc:
                yield name, wrong(_one_line(exc))


async def _sandboxes() -> Finding:
    """It is never wrong, because most servers have no plug-ins."""
    found = await checks.sandboxes()
    words = [
        f"{kind}: {'works' if not why else why.splitlines()[0].rstrip('.')}"
        for kind, why in found.items()
    ]
    return Finding("; ".join(words))


async def _was_served(loaded: Settings) -> bool:
    """Whether a `serve` of the App ever used this database."""
    try:
        if await asyncio.to_thread(schema_version.is_empty, loaded.database_url):
            return False
        async with open_session(loaded) as session:
            return await session.store.read(lambda tx: key_values.get(tx, BOUND_APP)) is not None
    except (WrongSettings, StoreError):
        return True  # the line about the database says why


def _names() -> Finding:
    unknown = settings.unknown()
    meant = [f"{name} (did you mean {each}?)" for name, each in unknown.items() if each]
    if meant:
        return wrong(f"these are not settings: {', '.join(meant)}")
    others = f"; not settings of Hubbub: {', '.join(unknown)}" if unknown else ""
    return Finding(f"none is mis-spelt{others}")


async def _try(check: Callable[[Settings], Awaitable[Finding]], loaded: Settings) -> Finding:
    try:
        return await check(loaded)
    except (WrongSettings, StoreError) as exc:
        return wrong(_one_line(exc))


async def _app_settings(loaded: Settings) -> Finding:
    return Finding(f"App {settings.github_app(loaded).id}, complete")


async def _database(loaded: Settings) -> Finding:
    if await asyncio.to_thread(schema_version.is_empty, loaded.database_url):
        return _empty_database(loaded)
    async with open_session(loaded) as session:
        await session.store.read(_one)
    url = loaded.database_url
    by = f" by {address(url).driver}" if names_mysql(url) else ""
    return Finding(f"{safe_url(url)}{by}, newest schema, belongs to this secret")


def _empty_database(loaded: Settings) -> Finding:
    """Before the first `serve`. Raise WrongSettings if it needs a secret that is not set."""
    path = sqlite_path(loaded.database_url)
    if path is None or loaded.secret_key:
        keyring.load(loaded, make=False)
    if path is not None and not os.access(Path(path).absolute().parent, os.W_OK):
        return wrong(
            f"{safe_url(loaded.database_url)} cannot be created: the folder is missing or cannot "
            "be written to. Set HUBBUB_DATABASE_URL to a file in another folder."
        )
    return Finding(
        f"{safe_url(loaded.database_url)} is empty; the first `hubbub serve` fills it. If you have "
        "a database already, set HUBBUB_DATABASE_URL to it"
    )


async def _given_up(loaded: Settings) -> AsyncIterator[Finding]:
    """What the mirror lacks, if anything. It is no error of the operator's."""
    try:
        if await asyncio.to_thread(schema_version.is_empty, loaded.database_url):
            return
        async with open_session(loaded) as session:
            found = await session.store.read(given_up.of)
    except (WrongSettings, StoreError):
        return  # the line about the database says why
    listed = [f"{each.what} of {each.where} ({each.why})" for each in (*found.reads, *found.parts)]
    if listed:
        yield Finding(
            f"{', '.join(listed)}; `hubbub backfill --again` tries again", private=tuple(listed)
        )


async def _backups(loaded: Settings) -> AsyncIterator[Finding]:
    """Whether the last backup is as new as the settings say. Nothing about an empty database."""
    try:
        if await asyncio.to_thread(schema_version.is_empty, loaded.database_url):
            return
        async with open_session(loaded) as session:
            last = await session.store.read(schedule.last_backup)
            now = await session.store.read(lambda tx: tx.now())
    except (WrongSettings, StoreError):
        return  # the line about the database says why
    yield _age_of_backup(loaded, last, now)


def _age_of_backup(loaded: Settings, last: schedule.LastBackup | None, now: int) -> Finding:
    words = f"the last one is of {minute(last['at'])}, {last['file']}" if last else "there is none"
    if not loaded.backup_dir:
        return Finding(f"{words}; set HUBBUB_BACKUP_DIR to let `hubbub serve` make them")
    if last is None or now - last["at"] > 2 * seconds(loaded.backup_every) * SECOND:
        return wrong(
            f"{words}, although HUBBUB_BACKUP_EVERY is {loaded.backup_every}. Look for `backup "
            "failed` in the log of `hubbub serve`, and try `hubbub backup`"
        )
    return Finding(words)


async def _one(tx: Tx) -> None:
    await tx.one("SELECT 1 AS one")


async def _get(github: GitHub, app: GitHubApp, path: str, shape: type) -> Any:
    """What GitHub has there, all pages of a list. Raise Refused if it is not of that JSON type."""
    found: list[Any] = []
    for _ in range(MOST_PAGES):
        try:
            answer = await github.app_request("GET", path)
        except NoAnswer as exc:
            raise Refused("unavailable", f"{app.api_url} does not answer: {exc}") from exc
        if answer.status != 200:
            why = f"{answer.status} {text(at(answer.data, 'message'))}".strip()
            raise Refused("unavailable", f"{app.api_url} answers: {why}")
        if not isinstance(answer.data, shape):
            raise Refused(
                "unavailable",
                f"{app.api_url} answers {urlsplit(path).path} with something else than GitHub "
                "does. Check HUBBUB_GITHUB_API_URL, and whether a proxy answers for GitHub.",
            )
        if not isinstance(answer.data, list):
            return answer.data
        found += answer.data
        following = link(answer)
        if following is None or path.startswith(DELIVERIES):
            break
        path = following
    return found


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())
