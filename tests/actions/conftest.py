"""The action of this repository, run by the simulated GitHub against a Hubbub in this process."""

import socket
from collections.abc import AsyncIterator

import pytest

from bot.runs.actions_tokens import open_checker
from store.engine.database import open_store
from tests.support.agent_action import ActionSite
from tests.support.server_in_process import serving
from tests.support.story import Clock, open_workspace
from webhooks.addresses import Addresses
from webhooks.oauth.server import OAuthServer


def free_port() -> int:
    """The tokens of jobs name the address of the server, so it is chosen before."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.fixture
async def site(sqlite_url: str, clock: Clock) -> AsyncIterator[ActionSite]:
    """The engine plays no part, nor does GitHub's description: both are tested elsewhere."""
    store = await open_store(sqlite_url, clock)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with open_workspace(store, clock, None) as workspace:
        keys = workspace.dispatcher.shared.keys
        async with (
            open_checker(store, workspace.github.oidc.url, address, clock) as checker,
            serving(
                store,
                workspace.installation.id,
                keys=keys,
                addresses=Addresses(address),
                port=port,
                # So that a step of the clock counts at once.
                look_every_s=0,
                verifiers=[checker],
                oauth=OAuthServer(store, keys, actions=checker),
            ) as surface,
        ):
            yield ActionSite(workspace, surface)
            await workspace.github.ci.wait_for_local_runs()
    await store.close()
