"""The servers of the operator's file, as tool servers of the accounts that it names."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from bot.identity.keyring import Keys
from bot.kernel import tool_lists
from bot.tool_servers.credentials import Credential, seal
from bot.tool_servers.operator_file import Process
from store.engine import ids
from store.engine.transaction import Store, Tx
from store.mirror import stored_installations
from store.mounts import mount_log, mounts, tool_lookup
from store.tables.mounts import MountRow

OPERATOR = "the operator's file"


class Follower:
    """Keeps the tool servers of the file in the database."""

    def __init__(self, store: Store, keys: Keys, servers: Mapping[str, Process]) -> None:
        self._store = store
        self._keys = keys
        self._servers = servers
        self._seen: AbstractSet[int] = frozenset()

    async def step(self, *, everyone: bool) -> int:
        """Add, change and remove servers: of all accounts, or of those that came since.

        Return for how many accounts something was written.
        """
        present = frozenset(await self._store.read(stored_installations.present_installations))
        written = 0
        for each in sorted(present if everyone else present - self._seen):
            if not (await self._store.read(partial(self._differences, installation_id=each))).none:
                await self._store.write(partial(self._follow, installation_id=each))
                written += 1
        self._seen = present
        return written

    async def _differences(self, tx: Tx, installation_id: int) -> "Differences":
        known = await stored_installations.installation(tx, installation_id)
        account = known["account"].casefold() if known else ""
        wanted = {
            name: each
            for name, each in self._servers.items()
            if account in {login.casefold() for login in each.accounts}
        }
        rows = {row["name"]: row for row in await mounts.all_of(tx, installation_id)}
        ours = {name: row for name, row in rows.items() if row["kind"] == "stdio"}
        return Differences(
            [row for name, row in ours.items() if name not in wanted],
            {name: each for name, each in wanted.items() if name not in rows},
            [
                (row, wanted[name])
                for name, row in ours.items()
                if name in wanted and row["options"].get("digest") != wanted[name].digest
            ],
        )

    async def _follow(self, tx: Tx, installation_id: int) -> None:
        found = await self._differences(tx, installation_id)
        for row in found.surplus:
            if await tool_lookup.has_pinned(tx, installation_id, row["id"]):
                await tool_lists.note_change(tx, installation_id, OPERATOR)
            await mounts.remove(tx, installation_id, row["id"])
        for name, process in found.missing.items():
            await mounts.add(tx, await _new(tx, installation_id, self._keys, name, process))
        for row, process in found.outdated:
            await _change(tx, row, process)


@dataclass(frozen=True)
class Differences:
    """What one account has otherwise than the file."""

    surplus: Sequence[MountRow]
    missing: Mapping[str, Process]
    outdated: Sequence[tuple[MountRow, Process]]

    @property
    def none(self) -> bool:
        return not (self.surplus or self.missing or self.outdated)


async def _new(tx: Tx, installation_id: int, keys: Keys, name: str, process: Process) -> MountRow:
    now = await tx.now()
    server_id = ids.new("h", now)
    sealed = seal(keys, installation_id, server_id, Credential())
    return {
        **mounts.new_row(installation_id, server_id, name, "stdio", sealed, OPERATOR, now),
        "options": {"server": name, "digest": process.digest},
        # The loop starts it once, to list its tools.
        "probe_at": now,
    }


async def _change(tx: Tx, row: MountRow, process: Process) -> None:
    stored = await mounts.lock(tx, row["installation_id"], row["id"])
    assert stored is not None
    now = await tx.now()
    changed: MountRow = {
        **stored,
        "options": {"server": row["name"], "digest": process.digest},
        "version": stored["version"] + 1,
        "probe_at": now if stored["state"] == "running" else None,
        "updated_at": now,
    }
    await mounts.replace(tx, changed)
    here = row["installation_id"], row["id"]
    await mount_log.add(tx, *here, now, "info", f"Changed in {OPERATOR}.")
