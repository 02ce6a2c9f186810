"""The database as a command opens it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from bot.cli import garbage
from bot.files.texts import FileTexts
from bot.identity import keyring
from bot.identity.server_address import address_of
from bot.kernel.operation import Shared
from bot.plugins.requests import Requests
from bot.plugins.running import Plugins
from bot.quotas import table
from bot.quotas.file_rules import FileRules, refused_families
from bot.quotas.money import parse_caps
from bot.quotas.rates import Rates
from bot.settings import (
    GitHubApp,
    Settings,
    WrongSettings,
    database_url_reader,
    split_list,
)
from bot.times import SECOND
from bot.tool_servers.addresses import origin
from bot.tracing.traced_store import with_spans
from bot.workflows import effects
from store.engine import key_values, schema_version
from store.engine.database import open_store
from store.engine.mysql import MySQL
from store.engine.transaction import Store, StoreError

# The key value that names the App of this database.
BOUND_APP = "github app"


@dataclass(frozen=True)
class Session:
    """An open database, and what the operations of this process share."""

    store: Store
    shared: Shared
    # Opens new connections with the address as its file has it now. None if there is no such file.
    renew: Callable[[], Awaitable[None]] | None = None

    @property
    def keys(self) -> keyring.Keys:
        return self.shared.keys


def safe_url(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":…@")))


def migrate_database(loaded: Settings) -> None:
    """Create the secret and the tables, or upgrade the tables."""
    keyring.load(loaded, make=True)
    _upgrade(loaded.database_url)


def _upgrade(url: str) -> None:
    if schema_version.is_usable(url):
        return
    from store.engine import migrate  # noqa: PLC0415 - loads SQLAlchemy and Alembic

    migrate.upgrade(url)


@asynccontextmanager
async def open_session(
    loaded: Settings, *, make: bool = False, remote: bool = False, app: GitHubApp | None = None
) -> AsyncIterator[Session]:
    """The database, bound to the secret, and to the App from its first `serve` on.

    `make`: made and migrated first, as `serve` does. `remote`: HUBBUB_URL would do instead.
    """
    garbage.resume()
    if not make:
        await asyncio.to_thread(_check_database, loaded, remote=remote)
    known = keyring.load(loaded, make=make)
    if make:
        await asyncio.to_thread(_upgrade, loaded.database_url)
    source = _source()
    opened = await open_store(loaded.database_url, source=source, before_commit=effects.follow)
    store = with_spans(opened)
    try:
        await keyring.check(store, known)
        if app is not None:
            await _bind(store, app)
        renew = opened.renew if isinstance(opened, MySQL) and source else None
        shared = make_shared(known, loaded)
        plugins = Plugins(store, known, Requests(shared.trusted_origins))
        outside = replace(shared.outside, files=FileTexts(store, known), plugins=plugins)
        yield Session(store, replace(shared, outside=outside), renew)
    finally:
        await store.close()


def _source() -> Callable[[], str] | None:
    """Reads HUBBUB_DATABASE_URL again, whose password may have been replaced."""
    reader = database_url_reader()

    def read() -> str:
        assert reader is not None
        try:
            return reader()
        except WrongSettings as exc:
            raise StoreError(f"Cannot read HUBBUB_DATABASE_URL again: {exc}") from exc

    return read if reader else None


def make_shared(known: keyring.Keys, loaded: Settings) -> Shared:
    """What all operations of a process with these settings have in common."""
    return Shared(
        known,
        loaded.idle_after_s * SECOND,
        loaded.inactive_after_s * SECOND,
        # Without the App's client secret nobody can log in.
        login_url=address_of(loaded) if loaded.github_client_secret else "",
        caps=parse_caps(loaded.spend_caps, loaded.currency),
        files=FileRules(
            address_of(loaded), loaded.largest_file, refused_families(loaded.refuse_files)
        ),
        rates=Rates(table.parse(loaded.quotas), processes=loaded.processes),
        trusted_origins=frozenset(origin(each) for each in split_list(loaded.trusted_origins)),
    )


async def _bind(store: Store, app: GitHubApp) -> None:
    """Another App does not see these installations, and would take all of them for removed."""
    bound = await store.write(lambda tx: key_values.put_if_absent(tx, BOUND_APP, app.id))
    if bound != app.id:
        raise WrongSettings(
            f"HUBBUB_GITHUB_APP_ID is {app.id}, but this database belongs to App {bound}. Use that "
            "App or another database."
        )


def _check_database(loaded: Settings, *, remote: bool) -> None:
    if not (wrong := schema_version.check(loaded.database_url)):
        return
    problem = f"The database {safe_url(loaded.database_url)} cannot be used: {wrong}."
    if remote:
        raise StoreError(
            "Set HUBBUB_URL to the server's address. Or, on the server's machine, set "
            f"HUBBUB_DATABASE_URL to the database of `hubbub serve`. {problem}"
        )
    raise StoreError(f"{problem} Set HUBBUB_DATABASE_URL to the database of `hubbub serve`.")
