"""`hubbub doctor`: a line for each check."""

import aiohttp

from bot import settings
from bot.cli.output import say
from bot.cli.session import open_session, safe_url
from bot.errors import Refused
from bot.github.client import app_client
from bot.github.payloads import at, text
from bot.github.requests import NoAnswer
from bot.settings import Settings, WrongSettings
from store.engine.transaction import StoreError, Tx


async def check_all() -> int:
    """A line for each check: 0 when all hold."""
    loaded = settings.load()
    failed: dict[str, str] = {}
    for name, check in (
        ("the App's settings", _check_app),
        ("database", _check_database),
        ("GitHub", _check_github),
    ):
        try:
            result = await check(loaded)
        except (WrongSettings, StoreError, Refused) as exc:
            why = " ".join(str(exc).splitlines())
            result = (
                f"WRONG, for the same reason as {failed[why]}" if why in failed else f"WRONG: {why}"
            )
            failed.setdefault(why, name)
        say(f"{name}: {result}")
    return int(bool(failed))


async def _check_app(loaded: Settings) -> str:
    return f"App {settings.github_app(loaded).id}, complete"


async def _check_database(loaded: Settings) -> str:
    async with open_session(loaded) as session:
        await session.store.read(_one)
    return f"{safe_url(loaded.database_url)}, newest schema, belongs to this secret"


async def _one(tx: Tx) -> None:
    await tx.one("SELECT 1 AS one")


async def _check_github(loaded: Settings) -> str:
    app = settings.github_app(loaded)
    async with aiohttp.ClientSession() as session:
        github = app_client(session, app)
        try:
            answer = await github.app_request("GET", "/app")
        except NoAnswer as exc:
            raise Refused("unavailable", f"{app.api_url} does not answer: {exc}") from exc
    if answer.status != 200:
        raise Refused("unavailable", f"{app.api_url} answers: {text(at(answer.data, 'message'))}")
    return f"{app.api_url} has the App as {text(at(answer.data, 'slug'))}"
