"""What an account has now of what quotas limit, by the quota's name."""

from store.engine.transaction import Tx
from store.files import usage
from store.tenants import holdings

# More agents and open tasks than this are not counted.
MOST_COUNTED = 10_000


async def of(tx: Tx, installation_id: int) -> dict[str, int]:
    return {
        "agents": await holdings.agents_beside(tx, installation_id, "", MOST_COUNTED),
        "open_tasks": await holdings.open_tasks(tx, installation_id, MOST_COUNTED),
        "file_bytes": (await usage.of(tx, installation_id))["size"],
    }
