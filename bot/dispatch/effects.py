"""What a call did in its transaction, before the commit: events that it records and writes."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.kernel.operation import Answer
from store import events
from store.engine import ids, json_text, sequences
from store.engine.transaction import Tx
from store.mirror import stored_repositories

# Of each kind of effect, so that a call with very many stays small.
MOST = 200


@dataclass(frozen=True)
class ExpectedEvent:
    """An event that would be recorded. `task`: owner/repo#12, if it is about a task."""

    kind: str
    subject: str
    task: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True)
class ExpectedWrite:
    """A write that would be queued for GitHub. `arguments`: what it would send."""

    kind: str
    repository: str | None
    target: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Effects:
    answer: Answer
    events: list[ExpectedEvent]
    writes: list[ExpectedWrite]
    # The ids that the call makes are other ones each time.
    new_ids: re.Pattern[str] = re.compile(r"(?!)")

    @property
    def digest(self) -> str:
        """The same for two calls with the same effect. Ids and times differ and do not count."""
        lists = {name: len(each) for name, each in vars(self.answer).items() if _is_list(each)}
        lists.pop("notices", None)
        parts = [
            sorted([each.kind, self._without_new(each.task or "")] for each in self.events),
            sorted(
                [each.kind, each.repository or "", self._without_new(each.target)]
                for each in self.writes
            ),
            sorted(lists.items()),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _without_new(self, text: str) -> str:
        return self.new_ids.sub("new", text)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


async def effects_of(tx: Tx, i: int, answer: Answer) -> Effects:
    """`i`: the installation."""
    logged = sequences.pending(tx, "events", i)[:MOST]
    queued = sequences.pending(tx, "writes", i)[:MOST]
    names = await events.names(tx, i, {each["subject"] for each in logged})
    return Effects(
        answer,
        [
            ExpectedEvent(
                each["kind"],
                each["subject"],
                names.get(each["subject"]),
                json_text.value(each["data"]),
            )
            for each in logged
            if not each["kind"].startswith("inbox.")
        ],
        [await _write(tx, i, each) for each in queued],
        ids.made_at(await tx.now()),
    )


async def _write(tx: Tx, installation_id: int, row: Mapping[str, Any]) -> ExpectedWrite:
    where = await stored_repositories.repository_name(tx, installation_id, row["repository_id"])
    arguments = json_text.value(row["arguments"])
    return ExpectedWrite(row["kind"], where, row["target"], arguments)
