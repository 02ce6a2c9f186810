"""A workspace that goes on with another database, as after a restore."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp.test_utils import TestServer
from cachetools import TTLCache

from bot.backup import creation, restoration
from bot.backup.creation import Backup
from bot.backup.restoration import Restored
from bot.dispatch.dispatcher import Dispatcher
from bot.identity import keyring
from bot.identity.tokens import Tokens
from bot.inbox.backpressure import Backpressure
from bot.settings import Settings
from store.engine.database import open_store
from store.engine.transaction import Tx
from tests.support.story import Workspace
from webhooks.app import create_app


def settings_of(workspace: Workspace, url: str, **given: str) -> Settings:
    """The settings of a server with the workspace's secret on this database."""
    secret = workspace.dispatcher.shared.keys._secret.decode()
    return Settings(database_url=url, **({"secret_key": secret} | given))  # type: ignore[arg-type]


async def back_up(
    workspace: Workspace, url: str, path: Path, passphrase: bytes | None = None
) -> Backup:
    """A backup of the workspace's database, which is at `url`."""
    await keyring.check(workspace.store, workspace.dispatcher.shared.keys)
    return creation.create_backup(url, path, passphrase, clock=workspace.clock)


async def no_more(_tx: Tx) -> None:
    return None


async def restore(
    workspace: Workspace,
    url: str,
    path: Path,
    passphrase: bytes | None = None,
    *,
    replaces: bool = False,
    **given: str,
) -> Restored:
    return await restoration.restore_backup(
        settings_of(workspace, url, **given),
        path,
        passphrase,
        replaces=replaces,
        say=lambda _: None,
        record=no_more,
        clock=workspace.clock,
    )


@asynccontextmanager
async def going_on(workspace: Workspace, url: str) -> AsyncIterator[None]:
    """Another server takes over on the database at `url`, with the same simulated GitHub."""
    store = await open_store(url, workspace.clock)
    before, shared = workspace.dispatcher, workspace.dispatcher.shared
    workspace.dispatcher = Dispatcher(store, shared, touched=TTLCache(1, 0))
    workspace.restart()
    app = create_app(
        workspace.dispatcher,
        Tokens(store, shared.keys),
        pressure=Backpressure(),
        webhook_secrets=[workspace.github.app.webhook_secret],
    )
    server = TestServer(app)
    await server.start_server()
    workspace.github.app.webhook_url = str(server.make_url("/webhooks/github"))
    try:
        yield
    finally:
        await server.close()
        workspace.dispatcher = before
        workspace.restart()
        await store.close()
