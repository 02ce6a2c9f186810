"""A server with the page and the login, beside a workspace."""

from collections.abc import AsyncIterator

import pytest

from tests.support.login import LoginServer, open_login_server
from tests.support.story import Workspace


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[LoginServer]:
    async with open_login_server(workspace) as made:
        yield made
