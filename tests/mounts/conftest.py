"""Tools of other servers."""

import secrets
from collections.abc import AsyncIterator

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.transaction import Store
from tests.support.story import Clock
from tests.support.tool_desk import ToolDesk
from tests.support.upstreams import remove_mounts_of


@pytest.fixture
async def desk(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[ToolDesk]:
    dispatcher = Dispatcher(store, Shared(Keys(secrets.token_hex(32))))
    yield ToolDesk(dispatcher, clock, installation_id)
    await remove_mounts_of(store, installation_id)
