"""A workspace with a GitLab beside it."""

from collections.abc import AsyncIterator

import pytest

from tests.support.story import Workspace
from tests.support.trackers import Tracked, tracked


@pytest.fixture
async def both(workspace: Workspace) -> AsyncIterator[Tracked]:
    async with tracked(workspace) as found:
        yield found
