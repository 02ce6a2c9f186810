"""Tools of other servers."""

import secrets

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.transaction import Store
from tests.support.story import Clock
from tests.support.tool_desk import ToolDesk


@pytest.fixture
def desk(store: Store, clock: Clock, installation_id: int) -> ToolDesk:
    dispatcher = Dispatcher(store, Shared(Keys(secrets.token_hex(32))))
    return ToolDesk(dispatcher, clock, installation_id)
