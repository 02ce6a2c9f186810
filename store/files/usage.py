"""How many bytes of files each agent and person has, and all of an installation together."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.files import FileUsageRow

COLUMNS = tuple(FileUsageRow.__annotations__)
KEY = ("installation_id", "holder")
# The holder of the row of the whole installation.
ALL = ""


async def change(tx: Tx, installation_id: int, holder: str, size: int, files: int) -> None:
    """Add to the counts, or take from them, of the holder and of the installation."""
    new = sql.insert_new(tx.dialect, "file_usage", COLUMNS, KEY)
    for each in (holder, ALL):
        await tx.run(new, installation_id=installation_id, holder=each, size=0, files=0)
        await tx.run(
            "UPDATE file_usage SET size = size + :size, files = files + :files "
            "WHERE installation_id = :i AND holder = :h",
            size=size,
            files=files,
            i=installation_id,
            h=each,
        )


async def of(tx: Tx, installation_id: int, holder: str = ALL) -> FileUsageRow:
    q = "SELECT * FROM file_usage WHERE installation_id = :i AND holder = :h"
    row: FileUsageRow | None = await tx.one(q, i=installation_id, h=holder)
    empty: FileUsageRow = {
        "installation_id": installation_id,
        "holder": holder,
        "size": 0,
        "files": 0,
    }
    return row or empty
