"""The simulated GitHub with an organisation, a repository and people."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.github_client import Acme, open_acme


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        yield found
