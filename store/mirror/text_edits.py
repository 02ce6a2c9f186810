"""Which texts of the mirror were edited, when Hubbub learned of it, and by whom."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Self, cast

from store.engine import sql
from store.engine.transaction import Tx
from store.mirror.threads import TextKind
from store.tables.mirror import TextEditRow

COLUMNS = tuple(TextEditRow.__annotations__)
KEY = ("installation_id", "repository_id", "number", "kind", "text_id")


class TextKey(NamedTuple):
    """A text of a thread. `text_id` is 0 for the opening text."""

    repository_id: int
    number: int
    kind: TextKind
    text_id: int

    @classmethod
    def of_opening(cls, repository_id: int, number: int) -> Self:
        return cls(repository_id, number, "opening", 0)


def key(row: TextEditRow) -> TextKey:
    kind = cast("TextKind", row["kind"])
    return TextKey(row["repository_id"], row["number"], kind, row["text_id"])


async def put(tx: Tx, installation_id: int, text: TextKey, editor: str) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "text_edits", COLUMNS, KEY),
        installation_id=installation_id,
        **text._asdict(),
        seen_at=await tx.now(),
        editor=editor,
    )


async def touch(tx: Tx, installation_id: int, text: TextKey) -> bool:
    """Set that Hubbub learned of an edit of the text again. Return whether it knew of one."""
    changed = await tx.run(
        "UPDATE text_edits SET seen_at = :now WHERE installation_id = :i "
        "AND repository_id = :repository_id AND number = :number AND kind = :kind "
        "AND text_id = :text_id",
        i=installation_id,
        now=await tx.now(),
        **text._asdict(),
    )
    return changed > 0


async def of_threads(
    tx: Tx, installation_id: int, repository_id: int, numbers: Collection[int]
) -> Sequence[TextEditRow]:
    return await tx.all(
        "SELECT * FROM text_edits WHERE installation_id = :i AND repository_id = :r "
        "AND number IN :n",
        i=installation_id,
        r=repository_id,
        n=tuple(sorted(numbers)),
    )
