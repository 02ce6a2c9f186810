"""The rows of an installation, so that a test can say that a call changed nothing."""

from functools import cache
from typing import Any

from store.engine.transaction import Tx
from store.tables import TABLES
from tests.support.story import Workspace

# That a call came at all: the agent was active, its leases were renewed, it was told something. A
# refusal is in the audit, and takes a number.
OF_THE_CALL = {
    "agents": {"last_active_at", "calls", "stored_bytes"},
    "leases": {"expires_at", "renewed_at", "known"},
    "notices": {"seen_at"},
    "heads": {"seq"},
}


NAMES = [
    each.name
    for each in TABLES.values()
    if "installation_id" in each.names and each.name != "heads"
]


@cache
def _which_have_rows() -> str:
    """Most tables are empty, so one statement finds out which are not."""
    return "SELECT " + ", ".join(
        f"EXISTS (SELECT 1 FROM {each} WHERE installation_id = :i) AS {each}" for each in NAMES
    )


async def content(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """All rows by table, without what each call changes. The audit also records refusals."""

    async def read(tx: Tx) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
        (has_rows,) = await tx.all(_which_have_rows(), i=workspace.installation.id)
        for name in (each for each in NAMES if has_rows[each]):
            q = f"SELECT * FROM {name} WHERE installation_id = :i"
            rows = await tx.all(q, i=workspace.installation.id)
            found[name] = _without(rows, OF_THE_CALL.get(name, set()))
        found["audit"] = [row for row in found["audit"] if row["outcome"] != "refused"]
        return found

    return await workspace.store.read(read)


def changed_tables(
    before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table that are new or have changed, so that a failure stays readable."""
    return {
        name: [row for row in rows if row not in before[name]]
        for name, rows in after.items()
        if rows != before[name]
    }


def _without(rows: list[dict[str, Any]], columns: set[str]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in columns} for row in rows]
