"""A transaction's statements on MySQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from store.engine import sequences
from store.engine.mysql_clock import Clock
from store.engine.mysql_connection import Answer, Connection
from store.engine.origins import SERVER, Origin
from store.engine.sql import Dialect, for_mysql, insert, of_many_rows, spread_lists
from store.engine.transaction import BeforeCommit, Numbered, Row, TaskKey, no_effects

# The length of one statement of many rows, and of several statements in one packet: far below
# `max_allowed_packet`.
PACKET_CHARACTERS = 1_000_000
NOW = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS now"
# LAST_INSERT_ID(x) is x, and LAST_INSERT_ID() is x for the statements that follow.
ADVANCE = (
    "INSERT INTO heads (installation_id, seq) VALUES (:i, LAST_INSERT_ID(:n)) "
    "ON DUPLICATE KEY UPDATE seq = LAST_INSERT_ID(heads.seq + :n)"
)


class MySQLTx:
    """`writes`: whether this is a transaction, or each statement for itself.

    `together`: the server takes several statements in one packet. BEGIN then goes with the first
    statement, inserts of many rows with the next one, and COMMIT with those that number the new
    rows. So a head is locked only while the server works, and not while messages travel.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        dialect: Dialect,
        *,
        writes: bool = False,
        together: bool = True,
        before_commit: BeforeCommit = no_effects,
    ) -> None:
        self.dialect: Dialect = dialect
        self._connection = connection
        self._clock = clock
        self._together = together
        # Statements whose answers nobody needs.
        self._waiting = ["BEGIN"] if writes else []
        self._now: int | None = None
        self.numbered: list[Numbered] = []
        self.rings: set[str] = set()
        self.origin: Origin = SERVER
        self.trace: str | None = None
        self.changed_tasks: set[TaskKey] = set()
        self.before_commit: BeforeCommit = before_commit

    async def now(self) -> int:
        """The server's clock, so that processes on machines with other clocks agree."""
        if self._now is None:
            self._now = await self._clock.now(self._server_now)
        return self._now

    async def _server_now(self) -> int:
        row = await self.one(NOW)
        return int(row["now"]) if row else 0

    async def all(self, sql: str, **params: Any) -> list[Any]:
        answer = await self._run(self._statement(sql, params))
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=False)) for row in answer.rows or ()]

    async def one(self, sql: str, **params: Any) -> Any | None:
        answer = await self._run(self._statement(sql, params))
        if not answer.rows:
            return None
        return {
            column[0]: value
            for column, value in zip(answer.description, answer.rows[0], strict=False)
        }

    async def run(self, sql: str, **params: Any) -> int:
        answer = await self._run(self._statement(sql, params))
        return int(answer.affected_rows)

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        # Nobody needs their answer, so they travel with the next statement.
        self._waiting += _of_many(sql, [self._literals(row) for row in rows])

    async def commit(self) -> None:
        """Number the rows that wait for it, and commit."""
        if self._together:
            self._waiting += self._numbering()
        else:
            await sequences.number(self)
        if self._waiting != ["BEGIN"]:
            await self._run("COMMIT")

    def _numbering(self) -> Iterator[str]:
        for installation_id, rows in sequences.by_installation(self):
            yield self._statement(ADVANCE, {"i": installation_id, "n": len(rows) or 1})
            for (table, columns, hashed), found in sequences.alike(rows).items():
                numbered = [self._with_number(row, before, hashed) for before, row in found]
                yield from _of_many(insert(table, columns), numbered)

    def _with_number(self, row: Row, before_last: int, hashed: str) -> dict[str, str]:
        """The literals of a row whose number the server gives."""
        literals, seq = self._literals(row), f"LAST_INSERT_ID()-{before_last}"
        if hashed:
            literals[hashed] = f"SHA2(CONCAT({literals[hashed]},':',{seq}),256)"
        return literals | {"seq": seq}

    async def _run(self, statement: str) -> Answer:
        """Send what waits and then the statement: its answer."""
        if not self._waiting:
            return await self._connection.run(statement)
        statements, self._waiting = [*self._waiting, statement], []
        packets = list(_packets(statements)) if self._together else [[each] for each in statements]
        for packet in packets[:-1]:
            await self._connection.run(*packet)
        return await self._connection.run(*packets[-1])

    def _statement(self, sql: str, params: Row) -> str:
        """The statement with its values in it."""
        sql, params = spread_lists(sql, params)
        # Always formatted: `for_mysql` doubles each %.
        return for_mysql(sql) % self._literals(params)

    def _literals(self, row: Row) -> dict[str, str]:
        literal = self._connection.literal
        return {name: _text_literal(value) or literal(value) for name, value in row.items()}


def _text_literal(value: object) -> str | None:
    """The literal of a text or of bytes; None for other values.

    MySQL needs only these two escapes (mysql_real_escape_string has more, for readers of logs). The
    drivers look at each character, which takes 0.2 ms for 10 KB.
    """
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, bytes):
        escaped = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
        return "_binary'" + escaped.decode("ascii", "surrogateescape") + "'"
    return None


def _of_many(sql: str, rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Insert the rows in as few statements as possible."""
    before, marks, after = of_many_rows(sql)
    for packet in _packets(for_mysql(marks) % row for row in rows):
        yield before + ",".join(packet) + after


def _packets(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in as few groups as have a moderate length."""
    packet: list[str] = []
    characters = 0
    for each in texts:
        if packet and characters + len(each) > PACKET_CHARACTERS:
            yield packet
            packet, characters = [], 0
        packet.append(each)
        characters += len(each)
    if packet:
        yield packet
