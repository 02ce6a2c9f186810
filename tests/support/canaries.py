"""Repositories whose every text, name and id is a canary: it must not appear where it is foreign.

A `Side` is one repository of an installation with everything that belongs to it. Its word stands in
all its texts and names, and its digits in all its numbers. All words have the same length, and so
have the digits, so that answers about two sides can be compared letter by letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from store.engine import json_text
from store.engine.transaction import Tx
from store.tables import TABLES
from store.tables.columns import Column, Default, Json, Text

# The agent whose token is bound, and another one of its installation.
ME, OTHER = "ada", "eve"


@dataclass(frozen=True)
class Side:
    """`k` tells the tasks of a side apart; see `TASKS` in `canary_repository`."""

    word: str
    digits: int
    installation_id: int
    # An agent that holds task 10 here, and none elsewhere.
    only_holder: str | None = None
    # Whether ME is the agent whose token is bound, and not one of the same name elsewhere.
    is_ours: bool = True

    @property
    def repository_id(self) -> int:
        return self.digits * 100 + 1

    @property
    def full_name(self) -> str:
        return f"{self.word}-org/{self.word}-repo"

    @property
    def sha(self) -> str:
        return f"{self.digits}" * 8

    @property
    def older_sha(self) -> str:
        return f"{self.digits}" * 7 + "0000a"

    @property
    def branch(self) -> str:
        return f"{self.word}-branch"

    @property
    def path(self) -> str:
        return f"{self.word}/{self.word}.py"

    @property
    def pull(self) -> int:
        return self.number(50)

    @property
    def login(self) -> str:
        return f"{self.word}-login"

    def number(self, k: int) -> int:
        return self.digits * 100 + k

    def row_id(self, k: int) -> int:
        return self.digits * 1_000_000 + k

    def name(self, k: int) -> str:
        return f"{self.full_name}#{self.number(k)}"

    def id(self, letter: str, k: int) -> str:
        return f"{letter}_{self.word}{self.digits}{k:09}"

    def text(self, what: str) -> str:
        return f"{self.word} {what}"

    @property
    def canaries(self) -> tuple[str, ...]:
        return self.word, str(self.digits)

    def neutral(self, text: str) -> str:
        """The text with stand-ins for what is this side's own."""
        words = text.replace(self.word, "WORD").replace(self.word.upper(), "WORD")
        return words.replace(str(self.digits), "DIGITS")


# Columns with a meaning of their own: they hold no text that a canary could stand in.
MEANINGS: dict[str, Mapping[str, Any]] = {
    "repositories": {"private": 1, "selected": 1, "default_branch": "main"},
    "issues": {"state": "open", "author_association": "MEMBER", "state_reason": None},
    "pull_requests": {"state": "open", "author_association": "MEMBER", "base_ref": "main"},
    "comments": {"author_association": "MEMBER"},
    "reviews": {"state": "approved", "author_association": "MEMBER"},
    "review_comments": {"author_association": "MEMBER", "line": 1},
    "milestones": {"state": "open"},
    "permissions": {"permission": "admin"},
    "check_runs": {"status": "completed", "conclusion": "failure"},
    "workflow_runs": {"status": "in_progress", "conclusion": None},
    "workflow_jobs": {"status": "completed", "conclusion": "failure"},
    "deliveries": {"state": "dead", "outcome": None},
    "backfills": {"state": "queued", "part": "issues", "expected": 100, "next_page": None},
    "leases": {"state": "held", "lease_s": 900, "ended_why": None, "known": 2},
    "verdicts": {"verdict": "approved"},
    "context_grants": {"access": "write"},
    "contexts": {"kind": "text", "version": 1},
}


def _value(side: Side, column: Column, now: int) -> Any:
    """A canary where the column takes one. Times are now."""
    if column.name == "version":
        return "0"
    if column.type is str:
        longest = next((m.length for m in column.marks if isinstance(m, Text)), 500)
        return side.text(column.name).replace(" ", "-")[:longest]
    if column.type is Json:
        return json_text.text([side.text(column.name)])
    if column.nullable:
        return None
    if column.type is int:
        return now if column.name.endswith("_at") else 0
    return side.text(column.name).encode()


async def insert(tx: Tx, side: Side, table: str, **given: Any) -> dict[str, Any]:
    """Insert a row of a side. What is not given is a canary, or has the column's default."""
    now = await tx.now()
    meanings = MEANINGS.get(table, {})
    row: dict[str, Any] = {}
    for column in TABLES[table].columns:
        is_free = column.type is str or column.name == "deleted"
        if column.name in given:
            row[column.name] = given[column.name]
        elif column.name in meanings:
            row[column.name] = meanings[column.name]
        elif column.name == "installation_id":
            row[column.name] = side.installation_id
        elif column.name == "repository_id":
            row[column.name] = side.repository_id
        elif is_free or not any(isinstance(mark, Default) for mark in column.marks):
            row[column.name] = _value(side, column, now)
    json_columns = {c.name for c in TABLES[table].columns if c.type is Json}
    stored = {
        name: json_text.text(each)
        if name in json_columns and each is not None and not isinstance(each, str)
        else each
        for name, each in row.items()
    }
    names = ", ".join(stored)
    places = ", ".join(f":{name}" for name in stored)
    await tx.run(f"INSERT INTO {table} ({names}) VALUES ({places})", **stored)
    return stored
