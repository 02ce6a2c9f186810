"""When a server loads the MCP library. The engine plays no part in this."""

import asyncio

from multidict import CIMultiDict

from bot.identity.server_address import LOOPBACK
from bot.identity.tokens import Tokens
from mcp_server import lazy
from tests.support.server_in_process import Surface

LONG_S = 3600.0


async def test_the_first_request_loads_it_at_once(sqlite_surface: Surface) -> None:
    dispatcher = sqlite_surface.dispatcher
    tokens = Tokens(dispatcher.store, dispatcher.shared.keys)
    async with lazy.serving(dispatcher, tokens, LOOPBACK, LONG_S) as loading:
        assert not loading.loaded.done()
        without_type: CIMultiDict[str] = CIMultiDict()
        assert await loading.answer(without_type, b"{}", None, None) is None
        assert loading.loaded.done()


async def test_without_a_request_it_is_loaded_a_little_later(sqlite_surface: Surface) -> None:
    dispatcher = sqlite_surface.dispatcher
    tokens = Tokens(dispatcher.store, dispatcher.shared.keys)
    async with lazy.serving(dispatcher, tokens, LOOPBACK, 0) as loading:
        await loading.loaded


async def test_a_server_that_stops_before_does_not_load_it(sqlite_surface: Surface) -> None:
    dispatcher = sqlite_surface.dispatcher
    tokens = Tokens(dispatcher.store, dispatcher.shared.keys)
    async with lazy.serving(dispatcher, tokens, LOOPBACK, LONG_S) as loading:
        await asyncio.sleep(0)
    assert (loading.life.done(), loading.loaded.done()) == (True, False)
