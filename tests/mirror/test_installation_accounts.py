"""The account of an installation, by which a cluster of Vitess finds the row's shard."""

from typing import Any

from store.engine.transaction import Store, Tx
from store.mirror import mirror_rows


async def test_of_two_deliveries_at_once_the_newer_says_whose_the_installation_is(
    store: Store, installation_id: int
) -> None:
    """Both have looked before the other one stored the first row."""
    row = {
        "installation_id": installation_id,
        "account": "acme",
        "account_type": "Organization",
        "repository_selection": "all",
        "permissions": "{}",
        "deleted": 0,
    }

    async def work(tx: Tx) -> list[Any]:
        for account_id, version in ((0, "1"), (21, "3"), (7, "2")):
            given = {**row, "account_id": account_id, "version": version}
            await mirror_rows.put_over(tx, "installations", given, None)
        return await mirror_rows.content(tx, "installations", installation_id)

    (found,) = await store.write(work)
    assert (found["account_id"], found["version"]) == (21, "3")
