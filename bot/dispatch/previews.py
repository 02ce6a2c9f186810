"""What a call would do: it is executed in a transaction that is then rolled back.

So a preview is exact, because no second code says what would happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.dispatch import execution
from bot.dispatch.execution import Call
from bot.kernel.operation import Answer
from store import events
from store.engine import json_text, sequences
from store.engine.transaction import Store, Tx
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
class Preview:
    answer: Answer
    events: list[ExpectedEvent]
    writes: list[ExpectedWrite]


class _RolledBack(Exception):
    """Ends the transaction without a commit."""

    def __init__(self, found: Preview) -> None:
        self.found = found


async def preview(store: Store, call: Call) -> Preview:
    """Raise Refused as the call would."""

    async def work(tx: Tx) -> None:
        answer = await execution.execute_unrecorded(tx, call)
        raise _RolledBack(await _effects(tx, call, answer))

    try:
        await store.write(work)
    except _RolledBack as exc:
        return exc.found
    raise AssertionError("the transaction was not rolled back")


async def _effects(tx: Tx, call: Call, answer: Answer) -> Preview:
    i = call.actor.installation_id
    logged = sequences.pending(tx, "events", i)[:MOST]
    queued = sequences.pending(tx, "writes", i)[:MOST]
    names = await events.names(tx, i, {each["subject"] for each in logged})
    return Preview(
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
    )


async def _write(tx: Tx, installation_id: int, row: Mapping[str, Any]) -> ExpectedWrite:
    where = await stored_repositories.repository_name(tx, installation_id, row["repository_id"])
    arguments = json_text.value(row["arguments"])
    return ExpectedWrite(row["kind"], where, row["target"], arguments)
