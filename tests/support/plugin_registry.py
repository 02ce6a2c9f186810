"""A registry of plug-ins in a folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.plugins import package, signatures
from bot.plugins.package import Package
from bot.plugins.registry import building, looking
from bot.plugins.registry.index import Index
from store.engine.transaction import Store
from store.plugins import plugins, registries
from store.tables.plugins import PluginRegistryRow

# The clock of the tests stands after this time, in seconds since 1970.
LONG_AGO, DAYS = 1_600_000_000, 36_500


@dataclass
class RegistryFolder:
    """`key`: signs the index."""

    path: Path
    key: str = field(default_factory=signatures.new_key)

    @property
    def public(self) -> str:
        return signatures.public_key(self.key)

    def put(self, given: Package, key: str | None = None) -> Path:
        """Put a package there, signed if there is a key."""
        made = signatures.sign(given, key) if key else given
        path = self.path / made.name
        path.write_bytes(package.pack(made))
        return path

    def build(self, now_s: int = LONG_AGO, days: int = DAYS) -> Index:
        return building.build(self.path, self.key, now_s, days)

    async def add_to(self, store: Store) -> None:
        place, by = str(self.path), "operator"
        await store.write(lambda tx: registries.add(tx, place, "folder", self.public, by))

    async def row(self, store: Store) -> PluginRegistryRow:
        found = await store.read(lambda tx: registries.get(tx, str(self.path)))
        assert found is not None
        return found

    async def look(self, store: Store) -> Index:
        return await looking.look(store, await self.row(store))


async def clear_registries(store: Store) -> None:
    """On a database that other tests use too."""

    async def work(tx: Any) -> None:
        for row in await registries.all_of(tx):
            await registries.remove(tx, row["place"])
        for each in await plugins.trust_rows(tx):
            await plugins.remove_trust(tx, each["kind"], each["subject"])

    await store.write(work)
