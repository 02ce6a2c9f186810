"""A database on SQLite, for tests in which the engine plays no part."""

from collections.abc import AsyncIterator

import pytest

from store.engine.database import open_store
from store.engine.transaction import Store
from tests.support.story import Clock


@pytest.fixture
async def sqlite_store(sqlite_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(sqlite_url, clock)
    yield opened
    await opened.close()
