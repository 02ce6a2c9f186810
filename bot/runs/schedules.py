"""Templates with a `schedule` start by Hubbub's clock: see `bot.repository.schedules`.

Each template with a schedule has a row with its next time.
"""

from bot.errors import Refused
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.repository import schedules
from bot.repository.repository_settings import RepositorySettings
from bot.runs import spawning
from bot.runs.run_rows import RunRequest
from bot.times import stamp
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.runs import runs
from store.runs.run_schedules import RUNS
from store.tables.mirror import RepositoryRow
from store.tables.runs import RunScheduleRow


async def store(
    tx: Tx, installation_id: int, repository_id: int, settings: RepositorySettings
) -> None:
    """Keep the schedules of new settings. One that did not change keeps its next time."""
    wanted = {n: each.schedule for n, each in settings.templates.items() if each.schedule}
    known = await RUNS.of(tx, installation_id, repository_id)
    for template in known.keys() - wanted.keys():
        await RUNS.remove(tx, installation_id, repository_id, template)
    for template, schedule in sorted(wanted.items()):
        if template in known and known[template]["schedule"] == schedule:
            continue
        row: RunScheduleRow = {
            "installation_id": installation_id,
            "repository_id": repository_id,
            "template": template,
            "schedule": schedule,
            "next_at": schedules.next_time(schedule, await tx.now()),
        }
        await RUNS.put(tx, row)


async def start(tx: Tx, row: RunScheduleRow, currency: str) -> bool:
    """Start the run whose time has come, and set the next time. False if another process did."""
    slot = await schedules.take(tx, RUNS, row)
    if slot is None:
        return False
    here = (row["installation_id"], row["repository_id"])
    repository = await stored_repositories.repository_by_id(tx, *here)
    if repository is None:
        return False  # nothing starts while the App has no access
    if repository["archived"]:
        # GitHub would refuse each run, without anybody who could change that.
        await _record_skip(tx, repository, row["template"], slot, "the repository is archived")
        return False
    return await _start(tx, repository, row["template"], slot, currency)


async def _start(
    tx: Tx, repository: RepositoryRow, template: str, slot: int, currency: str
) -> bool:
    here = (tx, repository["installation_id"], repository["id"])
    last = await runs.last_scheduled(*here, template)
    if last is not None and last["state"] in runs.NOT_ENDED:
        why = f"its last run {last['id']} has not ended"
        await _record_skip(tx, repository, template, slot, why)
        return False
    if await runs.of_slot(*here, template, slot) is not None:
        return False
    try:
        wanted = RunRequest(template, asked_by=BOT, currency=currency, slot=slot)
        await spawning.spawn(tx, repository, None, wanted)
    except Refused as exc:
        await _record_skip(tx, repository, template, slot, exc.message)
        return False
    return True


async def _record_skip(
    tx: Tx, repository: RepositoryRow, template: str, slot: int, why: str
) -> None:
    """Say that the schedule started no run this time."""
    data = {"template": template, "slot": stamp(slot), "why": why}
    subject = f"{repository['full_name']} {template}"[:120]
    event = Happening(
        "agent.run_skipped", subject, subject, BOT, data, repository_id=repository["id"]
    )
    await event_recorder.append(tx, repository["installation_id"], event)
