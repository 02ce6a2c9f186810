"""A revocation ends what its token has under way, also at another server."""

import asyncio

import pytest

from bot.identity.credentials import id_of
from bot.identity.keyring import Keys
from store.engine.transaction import Store
from store.identity import credentials
from tests.support.patience import LONG_S, SOON_S
from tests.support.server_in_process import serving


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("wait_for_events", {"topics": ["tasks"]}), ("get_messages", {})],
)
async def test_a_waiting_call_ends_when_its_token_is_revoked_by_another_server(
    store: Store, installation_id: int, operation: str, arguments: dict[str, object]
) -> None:
    keys = Keys("k" * 40)
    async with (
        serving(store, installation_id, keys=keys) as here,
        serving(store, installation_id, keys=keys) as there,
    ):
        token, other = await here.token("ada"), await here.token("bob")
        for each in (token, other):
            name = "ada" if each == token else "bob"
            await here.call(each, "register_agent", agent_id=name, name=name)
        waiting = [
            asyncio.create_task(there.call(each, operation, **arguments, wait_s=LONG_S))
            for each in (token, other)
        ]
        while there.dispatcher.waiters.waiting < 2:  # noqa: ASYNC110 - of the other server
            await asyncio.sleep(0.01)
        await store.write(lambda tx: credentials.revoke(tx, id_of(token)))
        async with asyncio.timeout(SOON_S):
            ended = await waiting[0]
        assert (ended.status, ended.code) == (401, "unauthenticated")
        assert "revoked" in ended.data["error"]["message"]
        assert not waiting[1].done()
        await here.call(other, "update_agent", name="Bob")
        there.dispatcher.waiters.stop()
        async with asyncio.timeout(SOON_S):
            assert (await waiting[1]).status == 200
