"""What a function of the store may do inside a transaction, on either engine."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from store.engine.origins import Origin
from store.engine.sql import Dialect
from store.engine.wakeups import Bell

# A row of any table, or any part of one: to be read only.
Row: TypeAlias = Mapping[str, Any]
# A task's installation and id.
TaskKey: TypeAlias = tuple[int, str]
T = TypeVar("T")


class Numbered:
    """A row that gets the installation's next number when its transaction ends.

    `hashed`: a column whose text becomes the SHA-256 of `text:number`.
    """

    __slots__ = ("hashed", "installation_id", "row", "table")

    def __init__(self, installation_id: int, table: str, row: Row, hashed: str = "") -> None:
        self.installation_id = installation_id
        self.table = table
        self.row = row
        self.hashed = hashed


class Tx(Protocol):
    """One transaction. Parameters are named `:name` in the SQL.

    Rows are dicts by column, and `Any` to mypy: the function that has the SQL declares their type,
    one of `store.tables` or a TypedDict of its own.
    """

    numbered: list[Numbered]
    rings: set[str]
    # Where its changes come from. Its caller sets it; else it is the server itself.
    origin: Origin
    # The trace that it belongs to, as a W3C traceparent, for the rows that others go on from.
    trace: str | None
    # The tasks that ended, began again or became ready in it: installation and id.
    changed_tasks: set[TaskKey]
    # What follows from them in the same transaction: the store's.
    before_commit: "BeforeCommit"

    @property
    def dialect(self) -> Dialect: ...

    async def now(self) -> int:
        """Microseconds UTC, the same throughout the transaction."""

    async def all(self, sql: str, **params: Any) -> list[Any]: ...
    async def one(self, sql: str, **params: Any) -> Any | None: ...
    async def run(self, sql: str, **params: Any) -> int:
        """Run a statement: the number of rows it matched, changed or not."""

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run one INSERT for each of the rows. An error may show at the next statement only."""


Work: TypeAlias = Callable[[Tx], Coroutine[Any, Any, T]]
BeforeCommit: TypeAlias = Callable[[Tx, AbstractSet[TaskKey]], Coroutine[Any, Any, None]]


async def no_effects(_: Tx, __: AbstractSet[TaskKey]) -> None:
    """Nothing follows from changed tasks."""


async def settle(tx: Tx) -> None:
    """Run what follows from the tasks that changed, until no more follows.

    The engines call this before a commit. Who rolls a transaction back to see its effect calls it
    too.
    """
    while tx.changed_tasks:
        changed, tx.changed_tasks = tx.changed_tasks, set()
        await tx.before_commit(tx, changed)


class PoolUse(NamedTuple):
    """Connections to the database: those in use, those that wait for use, and the limit."""

    used: int
    idle: int
    most: int


class Store(Protocol):
    """An open database."""

    bell: Bell

    def pool(self) -> PoolUse: ...

    @property
    def dialect(self) -> Dialect: ...

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which changes nothing. It may be run twice after a lost connection."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; run all of it again when the engine asks for a retry.

        It also runs again after a COMMIT whose answer was lost, so `work` must store a key by which
        it sees that it ran before. It acts only through the transaction. Cancelling the caller
        does not cancel it.
        """

    async def close(self) -> None: ...


class StoreError(Exception):
    """The database cannot be used; the text says why and what to do."""
