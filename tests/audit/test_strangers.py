"""Refusals of strangers are recorded, and few rows are enough for any number of them."""

import pytest

from bot.dispatch import refusals
from bot.errors import Refused
from bot.identity.credentials import id_of
from mcp_server.stdio import serve_agent
from store.engine.origins import Origin
from store.engine.transaction import Store
from tests.audit.test_rows import audit_of, newest
from tests.support.server_in_process import Surface, new_guid
from webhooks.app_keys import TOKENS


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own, because strangers share an installation."""
    return own_url


async def test_a_refused_token_is_recorded_on_every_surface(surface: Surface) -> None:
    token = await surface.token("ada")
    wrong = token[:-1] + ("x" if token[-1] != "x" else "y")
    headers = {"Authorization": f"Bearer {wrong}"}
    await surface.call(wrong, "claim_task")
    await surface.send("POST", "/mcp", json={}, headers=headers)
    await surface.send("GET", "/ws", headers=headers)
    await surface.send("POST", "/api/v1/claim_task", json={})
    with pytest.raises(Refused):
        await serve_agent(surface.dispatcher, surface.server.app[TOKENS], wrong)
    rows = await audit_of(surface.store, 0)
    key = id_of(token)
    assert rows == [
        ("", key, "rest", "request", "", "refused", "unauthenticated", 1),
        ("", key, "mcp", "request", "", "refused", "unauthenticated", 1),
        ("", key, "websocket", "request", "", "refused", "unauthenticated", 1),
        ("", "", "stdio", "mcp", "", "refused", "unauthenticated", 1),
    ]
    await surface.dispatcher.refusals.flush(everything=True)
    assert (await audit_of(surface.store, 0))[4:] == [
        ("", key, "rest", "request", "", "refused", "unauthenticated", 1)
    ]


async def test_a_wrong_signature_is_recorded_with_the_guid_of_its_delivery(
    surface: Surface,
) -> None:
    guid = new_guid()
    for _ in range(3):
        await surface.deliver({}, X_Hub_Signature_256="sha256=" + "0" * 64, X_GitHub_Delivery=guid)
    row = await newest(surface.store, 0)
    assert (row["surface"], row["operation"], row["code"]) == (
        "webhook",
        "webhook",
        "unauthenticated",
    )
    assert (row["request"], row["remote"]) == (guid, "127.0.0.1")
    assert len(await audit_of(surface.store, 0)) == 1


async def test_strangers_from_many_addresses_get_a_bounded_number_of_rows(store: Store) -> None:
    log = refusals.Refusals(store)
    for n in range(200):
        where = Origin("rest", f"192.0.2.{n}")
        await log.record_stranger("request", Refused("unauthenticated", "No"), where)
    await log.flush(everything=True)
    rows = await audit_of(store, 0)
    assert len(rows) == refusals.MOST_OF_STRANGERS + 2
    assert sum(row[-1] for row in rows) == 200
