"""How tables are defined: a table is the type of its rows, and its indexes.

A column is a key of a TypedDict, so that mypy knows it. `int` is a BIGINT, `str` a text of any
length, `bytes` a blob, and `| None` lets it be NULL; what else must be said stands in `Annotated`.
Nothing here needs SQLAlchemy; `store.tables.schema` makes its tables of these.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, get_args, get_type_hints


@dataclass(frozen=True)
class Text:
    """A text of at most so many characters."""

    length: int


@dataclass(frozen=True)
class Default:
    """The default value, as SQL."""

    sql: str


Mark = Literal["key", "small", "terms"]
KEY: Mark = "key"
# An INTEGER in place of a BIGINT.
SMALL: Mark = "small"
# A long text in ASCII.
TERMS: Mark = "terms"
# 0 or 1: SQLite has no booleans.
Flag: TypeAlias = Annotated[int, SMALL]
# JSON in the database; most functions of the store return it decoded.
Json: TypeAlias = Any


class Mirrored(TypedDict):
    """The guard of mirrored rows; see `store.mirror.version_guard`."""

    deleted: Annotated[Flag, Default("0")]
    version: Annotated[str, Text(80)]


class Authored(TypedDict):
    """Who wrote something on GitHub."""

    author: Annotated[str, Text(100)]
    author_id: Annotated[int, Default("0")]
    author_association: Annotated[str, Text(40)]


@dataclass(frozen=True)
class Column:
    name: str
    type: type
    nullable: bool
    marks: tuple[Text | Default | Mark, ...]


class Index:
    """`only`: the engine that has it."""

    def __init__(
        self,
        name: str,
        *columns: str,
        unique: bool = False,
        fulltext: bool = False,
        only: Literal["sqlite", "mysql"] | None = None,
    ) -> None:
        self.name = name
        self.columns = columns
        self.unique = unique
        self.fulltext = fulltext
        self.only = only


class Table:
    def __init__(self, name: str, row: Any, *indexes: Index) -> None:
        self.name = name
        self.row = row
        self.indexes = indexes

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        hints = get_type_hints(self.row, include_extras=True)
        return tuple(_column(name, hint) for name, hint in hints.items())

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if KEY in column.marks)


def _column(name: str, hint: Any) -> Column:
    marks = getattr(hint, "__metadata__", ())
    bare = hint.__origin__ if marks else hint
    arms = get_args(bare) or (bare,)
    (type_,) = {str if isinstance(each, str) else each for each in arms} - {type(None)}
    return Column(name, type_, type(None) in arms, marks)
