"""A canary that fails: the flag turns itself off, on every server, and says so."""

from contextlib import nullcontext
from typing import cast

import pytest
from structlog.testing import capture_logs

from bot.background import retention
from bot.flags import fall_back, setting
from bot.flags.flags import Flags
from bot.flags.known import JOINT_REQUESTS, MCP_FAST_PATH
from bot.identity.actors import OPERATOR
from store.engine.database import open_store
from store.engine.transaction import Store, StoreError, Tx
from store.flags import feature_flags, flag_counts
from store.flags.feature_flags import EVERYWHERE
from store.flags.flag_counts import HOUR
from tests.support.story import Clock

CANARY, OTHER = 7, 8


@pytest.fixture
async def own_store(own_url: str, clock: Clock) -> Store:
    """Flags are of all installations, so these tests share no database."""
    return await open_store(own_url, clock)


async def put(store: Store, value: str, installation_id: int = EVERYWHERE) -> None:
    async def work(tx: Tx) -> None:
        parsed = setting.parse(value)
        await setting.put(tx, installation_id, MCP_FAST_PATH, parsed, OPERATOR, "")

    await store.write(work)


async def serve(store: Store, flags: Flags, installation_id: int, calls: int, errors: int) -> None:
    """Count these calls in a server, which then stores them."""
    for n in range(calls):
        flags.count(MCP_FAST_PATH, installation_id, is_error=n < errors)
    await flags.refresh(store)


async def audit(store: Store) -> list[tuple[int, str, str]]:
    q = "SELECT installation_id, operation, subject FROM audit ORDER BY installation_id, seq"
    rows = await store.read(lambda tx: tx.all(q))
    return [(row["installation_id"], row["operation"], row["subject"]) for row in rows]


async def test_a_canary_that_fails_more_often_is_turned_off_on_every_server(
    own_store: Store,
) -> None:
    one, another = Flags(), Flags()
    await put(own_store, "off")
    await put(own_store, "on", CANARY)
    for each in (one, another):
        await each.refresh(own_store)
        assert (each.is_on(MCP_FAST_PATH, CANARY), each.is_on(MCP_FAST_PATH, OTHER)) == (
            True,
            False,
        )
        await serve(own_store, each, OTHER, 1000, 5)
        await serve(own_store, each, CANARY, 100, 1)
    assert await fall_back.step(own_store) == 0
    await serve(own_store, another, CANARY, 100, 30)
    with capture_logs() as logs:
        assert [await fall_back.step(own_store) for _ in range(2)] == [1, 0]
    assert logs == [
        {
            "event": "feature flag turned off",
            "log_level": "error",
            "flag": MCP_FAST_PATH,
            "on_calls": 300,
            "on_errors": 32,
            "off_calls": 2000,
            "off_errors": 10,
        }
    ]
    assert await audit(own_store) == [(CANARY, "flag fall back", MCP_FAST_PATH)]
    (row,) = await own_store.read(lambda tx: feature_flags.fallen_back(tx, CANARY))
    assert row["why"] == (
        "With it on 32 of 300 calls failed (10.7 %), with it off 10 of 2000 (0.5 %)."
    )
    assert await own_store.read(lambda tx: feature_flags.fallen_back(tx, OTHER)) == []
    for each in (one, another):
        await each.refresh(own_store)
        assert not each.is_on(MCP_FAST_PATH, CANARY)
    await put(own_store, "on", CANARY)
    assert await fall_back.step(own_store) == 0, "the next attempt is judged by itself"
    await own_store.close()


async def test_a_share_falls_back_for_all(own_store: Store) -> None:
    flags = Flags()
    await put(own_store, "50%")
    await flags.refresh(own_store)
    both = {flags.is_on(MCP_FAST_PATH, i) for i in range(1, 20)}
    assert both == {True, False}
    for i in range(1, 20):
        await serve(own_store, flags, i, 20, 20 if flags.is_on(MCP_FAST_PATH, i) else 0)
    assert await fall_back.step(own_store) == 1
    await flags.refresh(own_store)
    assert not any(flags.is_on(MCP_FAST_PATH, i) for i in range(1, 20))
    assert len(await own_store.read(lambda tx: feature_flags.fallen_back(tx, 3))) == 1
    await own_store.close()


async def test_an_operator_who_changes_the_flag_meanwhile_has_the_last_word(
    own_store: Store, clock: Clock
) -> None:
    await put(own_store, "50%")
    (seen,) = await own_store.read(feature_flags.rows)
    clock.forward(1)
    await put(own_store, "60%")
    assert not await own_store.write(
        lambda tx: feature_flags.mark_fallen_back(tx, seen, "hubbub", "")
    )
    await own_store.close()


async def test_nothing_is_counted_while_nobody_set_the_flag_and_old_counts_are_dropped(
    own_store: Store, clock: Clock
) -> None:
    flags = Flags()
    await serve(own_store, flags, CANARY, 10, 10)
    assert await own_store.read(lambda tx: flag_counts.sums(tx, 0)) == {}
    await put(own_store, "on", CANARY)
    await flags.refresh(own_store)
    flags.count(JOINT_REQUESTS, CANARY, is_error=True)
    await serve(own_store, flags, CANARY, 10, 3)
    sums = await own_store.read(lambda tx: flag_counts.sums(tx, 0))
    assert {key: (each.calls, each.errors) for key, each in sums.items()} == {
        (MCP_FAST_PATH, True): (10, 3)
    }
    clock.forward(3 * 24 * 3600)
    dropped = await own_store.write(
        lambda tx: flag_counts.drop(tx, clock() - retention.KEEP_COUNTS, 100)
    )
    assert (dropped, await own_store.read(lambda tx: flag_counts.sums(tx, 0))) == (1, {})
    assert retention.KEEP_COUNTS > fall_back.WINDOW + HOUR
    await own_store.close()


async def test_counts_outlive_a_database_that_was_away(own_store: Store) -> None:
    flags = Flags()
    await put(own_store, "on")
    await flags.refresh(own_store)
    flags.count(MCP_FAST_PATH, CANARY, is_error=True)

    class Away:
        async def write(self, _: object) -> None:
            raise StoreError("away")

    with pytest.raises(StoreError, match="away"):
        await flags.refresh(cast("Store", Away()))
    await flags.refresh(own_store)
    sums = await own_store.read(lambda tx: flag_counts.sums(tx, 0))
    assert sums[(MCP_FAST_PATH, True)].errors == 1
    await own_store.close()


@pytest.mark.parametrize("fault", [None, ConnectionResetError, ValueError])
async def test_a_bug_counts_as_an_error_and_a_client_that_left_does_not(
    own_store: Store, fault: type[Exception] | None
) -> None:
    flags = Flags()
    await put(own_store, "on")
    await flags.refresh(own_store)
    expected = pytest.raises(fault) if fault else nullcontext()
    with expected, flags.measure(MCP_FAST_PATH, CANARY) as trial:
        assert trial.is_on
        if fault:
            raise fault
    await flags.refresh(own_store)
    sums = await own_store.read(lambda tx: flag_counts.sums(tx, 0))
    (count,) = sums.values()
    assert (count.calls, count.errors) == (1, int(fault is ValueError))
    await own_store.close()
