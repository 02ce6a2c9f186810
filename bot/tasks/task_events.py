"""Appends the events of tasks. Their holders get the notices that follow from them."""

from collections.abc import Mapping, Sequence

from bot.kernel import event_recorder
from bot.kernel.notice_rules import FailedCheck, Happening
from bot.tasks import lookup
from bot.tasks.states import OPEN
from store.engine.transaction import Tx
from store.tasks.tasks import FullTask


async def append(
    tx: Tx,
    task: FullTask,
    kind: str,
    actor: str,
    data: Mapping[str, object],
    *,
    audience: str | None = None,
    quote: str | None = None,
    failed: Sequence[FailedCheck] = (),
) -> None:
    """Append an event of the task. `task` is the row before the change.

    `quote`: what somebody wrote, if a notice may show it.
    """
    event = happening(task, kind, actor, data, quote=quote, failed=failed)
    await event_recorder.append(tx, task["installation_id"], event, audience=audience)


def happening(
    task: FullTask,
    kind: str,
    actor: str,
    data: Mapping[str, object],
    *,
    quote: str | None = None,
    failed: Sequence[FailedCheck] = (),
) -> Happening:
    """The event with what its notices need of the task, which is the row before the change."""
    return Happening(
        kind=kind,
        subject=task["id"],
        name=lookup.name(task),
        actor=actor,
        data=data,
        repository_id=task["repository_id"],
        holder=task["holder"],
        last_holder=task["last_holder"],
        reserved_for=task["assigned_to"],
        fence=task["fence"],
        pull=task["pull_number"],
        has_ended=task["state"] not in OPEN,
        quote=quote,
        failed=failed,
    )
