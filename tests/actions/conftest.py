"""The action of this repository, run by the simulated GitHub against a Hubbub in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.engine.database import open_store
from tests.support.actions import HUBBUB, allow_workflow, open_tokens
from tests.support.agent_action import ActionSite
from tests.support.server_in_process import serving
from tests.support.story import Clock, open_workspace
from webhooks.addresses import Addresses
from webhooks.oauth.server import OAuthServer


@pytest.fixture
async def site(sqlite_url: str, clock: Clock, openapi: Path | None) -> AsyncIterator[ActionSite]:
    """The engine plays no part: what happens in the database is tested elsewhere."""
    store = await open_store(sqlite_url, clock)
    async with open_workspace(store, clock, openapi) as workspace:
        await allow_workflow(workspace)
        keys = workspace.dispatcher.shared.keys
        async with (
            open_tokens(store, workspace.github, clock) as checker,
            serving(
                store,
                workspace.installation.id,
                keys=keys,
                addresses=Addresses(HUBBUB),
                verifiers=[checker],
                oauth=OAuthServer(store, keys, actions=checker),
            ) as surface,
        ):
            yield ActionSite(workspace, surface)
            await workspace.github.ci.wait_for_local_runs()
    await store.close()
