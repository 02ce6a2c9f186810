"""What Vitess refuses in a statement, and whether the statement reaches one shard.

Vitess sends a statement to one shard if each table in it has an equality on its sharding key with
a value, or with the key of another table that has one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import sqlglot
from sqlglot import exp

from tests.support.vschema import KEYS, UNSHARDED

# `IN :ids` of a list, which the store spreads; a parameter, which may be named as a word of SQL.
LIST = re.compile(r"\bIN :(\w+)")
PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
# Functions that Vitess refuses, or that mean nothing behind a pool of connections.
REFUSED_FUNCTIONS = {
    "GET_LOCK",
    "RELEASE_LOCK",
    "IS_FREE_LOCK",
    "LAST_INSERT_ID",
    "CONNECTION_ID",
    "FOUND_ROWS",
    "ROW_COUNT",
    "LOAD_FILE",
    "SLEEP",
}
BLOCKS = (exp.Select, exp.Update, exp.Delete, exp.Insert)
VALUES = (exp.Placeholder, exp.Literal, exp.Parameter)

# A table: its scope, and its alias there.
Named: TypeAlias = tuple[int, str]


@dataclass(frozen=True)
class Findings:
    # The tables without a value for their sharding key: the statement goes to all shards.
    scattered: frozenset[str]
    # What Vitess refuses.
    refused: frozenset[str]


@lru_cache(4096)
def findings(sql: str) -> Findings:
    text = PARAMETER.sub(r":p_\1", LIST.sub(r"IN (:\1)", sql))
    statement = sqlglot.parse_one(text, dialect="mysql")
    scattered = frozenset(_scattered(statement))
    return Findings(scattered, frozenset(_refused(sql, statement, scattered)))


# --- Which shards --------------------------------------------------------------------------------


@dataclass
class Scope:
    """A SELECT, UPDATE or DELETE with the tables that it names, by their aliases."""

    block: exp.Expr
    outer: "Scope | None"
    tables: dict[str, str] = field(default_factory=dict)

    def name(self, alias: str) -> Named | None:
        """The alias as it is known in all scopes."""
        if alias in self.tables:
            return id(self), alias
        return self.outer.name(alias) if self.outer else None

    def table(self, alias: str) -> str:
        if alias in self.tables:
            return self.tables[alias]
        return self.outer.table(alias) if self.outer else ""


def _scattered(statement: exp.Expr) -> Iterator[str]:
    scopes = list(_scopes(statement, None))
    fixed = _fixed(scopes)
    for scope in scopes:
        for alias, table in scope.tables.items():
            if table in KEYS and (id(scope), alias) not in fixed:
                yield table


def _scopes(node: exp.Expr, outer: Scope | None) -> Iterator[Scope]:
    inner = outer
    if isinstance(node, BLOCKS):
        inner = Scope(node, outer)
        inner.tables = {table.alias_or_name: table.name for table in _own_tables(node)}
        yield inner
    for child in node.iter_expressions():
        yield from _scopes(child, inner)


def _own_tables(block: exp.Expr) -> Iterator[exp.Table]:
    """The tables that the block names itself, not in a subquery."""
    if isinstance(block, exp.Insert):
        return
    for table in block.find_all(exp.Table):
        if table.find_ancestor(*BLOCKS) is block:
            yield table


def _fixed(scopes: list[Scope]) -> set[Named]:
    """The tables whose sharding key has a value, also by way of other tables."""
    fixed = {
        named
        for scope in scopes
        for left, right in _equalities(scope.block)
        for one, other in ((left, right), (right, left))
        if isinstance(other, VALUES) and (named := _key(scope, one))
    }
    return _with_linked(fixed, scopes)


def _with_linked(some: set[Named], scopes: list[Scope]) -> set[Named]:
    """These tables, and those that have the same sharding key as one of them."""
    found = set(some)
    links = {
        (one, other)
        for scope in scopes
        for left, right in _equalities(scope.block)
        if (one := _key(scope, left)) and (other := _key(scope, right))
    }
    both = links | {(other, one) for one, other in links}
    while more := {other for one, other in both if one in found} - found:
        found |= more
    return found


def _equalities(block: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """The equalities that hold for each row of the block."""
    conditions = [block.args["where"].this] if block.args.get("where") else []
    joins = (each for each in block.find_all(exp.Join) if each.find_ancestor(*BLOCKS) is block)
    conditions += [join.args["on"] for join in joins if join.args.get("on")]
    while conditions:
        bare = conditions.pop().unnest()
        if isinstance(bare, exp.And):
            conditions += [bare.left, bare.right]
        elif isinstance(bare, exp.EQ):
            yield bare.left, bare.right
        elif isinstance(bare, exp.In) and len(bare.expressions) == 1:
            # A list of values: as many shards as it has installations.
            yield bare.this, bare.expressions[0]


def _key(scope: Scope, column: exp.Expr) -> Named | None:
    """The table whose sharding key this column is."""
    if not isinstance(column, exp.Column):
        return None
    alias = column.table
    if not alias:
        sharded = [each for each, table in scope.tables.items() if table in KEYS]
        if len(sharded) != 1:
            return None
        (alias,) = sharded
    return scope.name(alias) if column.name in KEYS.get(scope.table(alias), ()) else None


# --- What is refused -----------------------------------------------------------------------------


def _refused(sql: str, statement: exp.Expr, scattered: frozenset[str]) -> Iterator[str]:
    yield from _refused_words(sql, statement)
    yield from _changed_keys(statement)
    yield from _mixed_keyspaces(statement)
    if scattered:
        yield from _refused_on_shards(statement)


def _refused_words(sql: str, statement: exp.Expr) -> Iterator[str]:
    if '"' in sql:
        yield 'a name in "double quotes", which Vitess reads as a text'
    if "||" in sql:
        yield "||, which Vitess reads as OR"
    if statement.find(exp.SessionParameter, exp.Parameter):
        yield "a variable of the session"
    for with_ in statement.find_all(exp.With):
        if with_.recursive:
            yield "WITH RECURSIVE"
    if not isinstance(statement, (exp.Query, exp.Insert, exp.Update, exp.Delete)):
        yield f"a statement of the kind {statement.key}"
    named = {each.name.upper() for each in statement.find_all(exp.Anonymous)}
    yield from sorted(named & REFUSED_FUNCTIONS)


def _changed_keys(statement: exp.Expr) -> Iterator[str]:
    """A row never moves to another shard, and an upsert changes no column of a lookup."""
    tables = {each.name for each in statement.find_all(exp.Table)}
    keys: set[str] = set()
    changes: exp.Expr | None = None
    if isinstance(statement, exp.Update):
        keys, changes = {"installation_id"}, statement
    elif isinstance(statement, exp.Insert):
        yield from _inserted(statement)
        changes = statement.args.get("conflict")
        keys = {key for table in tables for key in KEYS.get(table, ())}
    for each in changes.expressions if changes else ():
        if isinstance(each, exp.EQ) and each.left.name in keys:
            yield f"a change of {each.left.name}, by which rows are sharded"


def _inserted(insert: exp.Insert) -> Iterator[str]:
    if isinstance(insert.expression, exp.Query):
        yield "INSERT … SELECT"
    table = insert.find(exp.Table)
    columns = {each.name for each in insert.this.expressions}
    if table and not set(KEYS.get(table.name, ())) <= columns:
        yield "an INSERT without the sharding key"


def _mixed_keyspaces(statement: exp.Expr) -> Iterator[str]:
    """Vitess reads a scalar from another keyspace first; it joins no tables of two."""
    for scope in _scopes(statement, None):
        tables = set(scope.tables.values())
        if tables & UNSHARDED and tables & KEYS.keys():
            yield "a join of two keyspaces"


def _refused_on_shards(statement: exp.Expr) -> Iterator[str]:
    """What Vitess does on one shard only."""
    if isinstance(statement, (exp.Update, exp.Delete)) and statement.args.get("limit"):
        yield "LIMIT in an UPDATE or DELETE of all shards"
    if statement.find(exp.Window):
        yield "a window function over all shards"
    yield from _joins_across_shards(statement)
    if any(each.args.get("locks") for each in statement.find_all(exp.Select)):
        yield "FOR UPDATE in all shards"


def _joins_across_shards(statement: exp.Expr) -> Iterator[str]:
    scopes = list(_scopes(statement, None))
    for scope in scopes:
        sharded = [(id(scope), alias) for alias, table in scope.tables.items() if table in KEYS]
        if sharded and set(sharded) - _with_linked({sharded[0]}, scopes):
            yield "a join of rows of several shards"
