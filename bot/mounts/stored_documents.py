"""The documents of OpenAPI services, for the connections that need them."""

from typing import Any

from bot.tool_servers.connections import Unavailable
from store.engine.transaction import Store, StoreError
from store.mounts import mounts


async def read(store: Store, installation_id: int, server_id: str, version: int) -> Any:
    """Raise Unavailable."""
    try:
        found = await store.read(
            lambda tx: mounts.document(tx, installation_id, server_id, version)
        )
    except StoreError as exc:
        raise Unavailable("unreachable", "Hubbub cannot read its document now.") from exc
    if found is None:
        raise Unavailable("unreachable", "It was changed or removed during the call.")
    return found
