"""Agents that give each other files."""

import pytest

from store.engine.transaction import Store
from tests.support.office import Office
from tests.support.story import Clock


@pytest.fixture
def office(store: Store, clock: Clock, installation_id: int) -> Office:
    return Office(store, clock, installation_id)
