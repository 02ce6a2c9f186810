"""What a plug-in keeps between its calls: values of JSON by name, encrypted.

A plug-in reads and changes only its own values, those of the installation that it works for.
Each change names the version that it builds on, so that two processes do not undo each other.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import Refused
from bot.identity.keyring import Broken, Keys
from store.engine.transaction import Store, Tx
from store.plugins import plugin_values
from store.tables.plugins import PluginValueRow

PURPOSE = "values of plugins"
# Of one plug-in in one installation: how many values, and the bytes of each as JSON.
MOST, LARGEST, LONGEST_NAME = 1_000, 65_536, 100

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[\x21-\x7e]+$")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GetValue(_Asked):
    name: Name


class PutValue(_Asked):
    name: Name
    value: Any
    expected_version: Annotated[int, Field(ge=0)]


class ListValues(_Asked):
    prefix: Annotated[str, Field(max_length=LONGEST_NAME, pattern=r"^[\x21-\x7e]*$")] = ""


def sealed_for(installation_id: int, plugin: str, name: str) -> str:
    return f"{PURPOSE} {installation_id} {plugin} {name}"


def unseal(keys: Keys, row: PluginValueRow) -> Any:
    """Raise Broken if it cannot be decrypted."""
    about = sealed_for(row["installation_id"], row["plugin"], row["name"])
    return orjson.loads(keys.open_with_id(PURPOSE, about, row["sealed"]))


@dataclass(frozen=True)
class Values:
    """The values of one plug-in in one installation."""

    store: Store
    keys: Keys
    installation_id: int
    plugin: str

    async def get(self, asked: GetValue) -> dict[str, Any]:
        """The value, or None with the version 0. Raise Broken if it cannot be decrypted."""
        here = (self.installation_id, self.plugin, asked.name)
        row = await self.store.read(lambda tx: plugin_values.get(tx, *here))
        if row is None:
            return {"name": asked.name, "value": None, "version": 0}
        return {"name": asked.name, "value": unseal(self.keys, row), "version": row["version"]}

    async def put(self, asked: PutValue) -> dict[str, Any]:
        """Keep a value; None removes it. Raise Refused."""
        content = orjson.dumps(asked.value)
        if len(content) > LARGEST:
            raise Refused(
                "too_large",
                f"The value {asked.name} has {len(content)} bytes as JSON; {LARGEST} is the limit. "
                "Keep it in several values.",
            )
        version = asked.expected_version + 1
        is_removed = asked.value is None

        async def work(tx: Tx) -> bool:
            if is_removed:
                here = (self.installation_id, self.plugin, asked.name)
                return not asked.expected_version or await plugin_values.remove(
                    tx, *here, asked.expected_version
                )
            row = self._row(asked.name, version, content, await tx.now())
            if version > 1:
                return await plugin_values.change(tx, row)
            await self._check_room(tx)
            return await plugin_values.add(tx, row)

        if not await self.store.write(work):
            raise Refused(
                "version_conflict",
                f"The value {asked.name} is not at version {asked.expected_version} any more. Read "
                "it again, and change that.",
            )
        return {"name": asked.name, "version": 0 if is_removed else version}

    async def list(self, asked: ListValues) -> dict[str, Any]:
        here = (self.installation_id, self.plugin, asked.prefix, MOST)
        return {"names": await self.store.read(lambda tx: plugin_values.names(tx, *here))}

    async def _check_room(self, tx: Tx) -> None:
        if await plugin_values.count(tx, self.installation_id, self.plugin) >= MOST:
            raise Refused(
                "too_many",
                f"{self.plugin} keeps {MOST} values here, which is the limit. Remove some: change "
                "them to null.",
            )

    def _row(self, name: str, version: int, content: bytes, now: int) -> PluginValueRow:
        about = sealed_for(self.installation_id, self.plugin, name)
        return {
            "installation_id": self.installation_id,
            "plugin": self.plugin,
            "name": name,
            "version": version,
            "sealed": self.keys.seal_with_id(PURPOSE, about, content),
            "updated_at": now,
        }


# Names that a plug-in may call without naming them in its manifest, because it is its own data.
CALLS: Mapping[str, tuple[type[BaseModel], Callable[[Values, Any], Awaitable[dict[str, Any]]]]] = {
    "get_value": (GetValue, Values.get),
    "put_value": (PutValue, Values.put),
    "list_values": (ListValues, Values.list),
}


async def call(values: Values, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Raise Refused."""
    model, function = CALLS[name]
    try:
        asked = model.model_validate(dict(arguments))
    except ValidationError as exc:
        wrong = exc.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise Refused("invalid_arguments", f"{name}: `{where}`: {wrong['msg']}.") from exc
    try:
        return await function(values, asked)
    except Broken as exc:
        raise Refused("plugin_failed", f"{name}: {exc}") from exc
