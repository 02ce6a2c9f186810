"""Whether the board in a repository's settings can show its tasks. If not, people hear of it once.

Nothing on GitHub says that somebody renamed or deleted an option or a field. So the fields are read
again now and then, and when GitHub refuses a write.
"""

import structlog

from bot.comments import replies
from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.mirror import reads
from bot.repository import repository_settings
from bot.repository.repository_settings import Board, RepositorySettings
from bot.tasks import board_plan
from bot.tasks.board_plan import Plan
from bot.times import DAY, SECOND
from store.agents import agents
from store.audit import records
from store.engine.transaction import Tx
from store.messages import stored_notices
from store.mirror import board_syncs, projects, stored_installations, stored_repositories
from store.outbox import writes
from store.tables.boards import BoardSyncRow

log = structlog.get_logger()

LOOK_EVERY = 12 * 3600 * SECOND
# Tech-leads that get a notice.
MOST_LEADS = 20
NOTICE = "board_stopped"


async def check(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    settings: RepositorySettings | None = None,
    *,
    listed: bool = False,
) -> None:
    """Store what the board lacks or how it is known now, and compare the tasks with it if needed.

    `listed`: a project that the mirror lacks is not there, because GitHub listed all of them.
    """
    here = (tx, installation_id, repository_id)
    if settings is None:
        settings = await repository_settings.of(*here)
    before = await board_syncs.get(*here)
    if settings.board is None:
        if before is not None:
            await board_syncs.drop(*here)
            await _withdraw_report(*here)
        return
    row = before or await _new_row(*here)
    if row["project"] != settings.board.project:
        row = {**row, "project": settings.board.project, "known": {}}
    plan, problem = await _find(tx, installation_id, settings.board, row, listed=listed)
    if plan is None and problem is None:
        await board_syncs.put(tx, row)
        return  # a read will say
    known = {**row["known"], **(plan.ids_to_know if plan else {})}
    now: BoardSyncRow = {**row, "known": known, "problem": problem}
    await board_syncs.put(tx, now)
    await _report_change(tx, row["problem"], now)
    if plan and plan.fields and (before is None or now != before):
        await board_syncs.request_sweep(*here, await tx.now(), restart=True)


async def _new_row(tx: Tx, installation_id: int, repository_id: int) -> BoardSyncRow:
    return {
        "installation_id": installation_id,
        "repository_id": repository_id,
        "project": 0,
        "known": {},
        "problem": None,
        "problem_at": None,
        "look_at": await tx.now() + LOOK_EVERY,
        "sweep_at": None,
        "sweep_after": 0,
    }


async def _find(
    tx: Tx, installation_id: int, board: Board, row: BoardSyncRow, *, listed: bool
) -> tuple[Plan | None, str | None]:
    """The plan and the problem. Neither, if the mirror does not know enough yet."""
    owner = await stored_installations.installation(tx, installation_id)
    if owner is not None and owner["account_type"] != "Organization":
        return None, replies.BOARD_OF_USER
    project = await projects.by_number(tx, installation_id, board.project)
    if project is None:
        if listed:
            return None, f"Hubbub cannot see project {board.project}. It may be deleted."
        await reads.queue(tx, installation_id, reads.ALL_PROJECTS)
        return None, None
    fields = await projects.fields(tx, installation_id, project["id"])
    if not fields:
        await reads.queue(tx, installation_id, reads.board_fields(board.project, project["id"]))
        return None, None
    plan = board_plan.make(board, project, fields, row["known"])
    if project["closed"]:
        return None, f"Project {board.project} is closed."
    return plan, " ".join(plan.problems) or None


async def _report_change(tx: Tx, was: str | None, row: BoardSyncRow) -> None:
    """Tell people and tech-leads once that the board cannot be used, or that it can again."""
    if was == row["problem"]:
        return
    here = (tx, row["installation_id"], row["repository_id"])
    did = "board.stopped" if row["problem"] else "board.started"
    log.warning(did, repository=row["repository_id"], why=row["problem"])
    data = {"project": row["project"], "why": row["problem"]}
    await records.append(tx, here[1], BOT, did, str(row["repository_id"]), data=data)
    await _withdraw_report(*here)
    if row["problem"] is None:
        return
    await _notify_leads(tx, row)
    now = await tx.now()
    if (row["problem_at"] or 0) < now - DAY:
        await board_syncs.put(tx, {**row, "problem_at": now})
        await _queue_report(tx, row)


async def _queue_report(tx: Tx, row: BoardSyncRow) -> None:
    body = replies.board_problem(row["project"], row["problem"] or "")
    await writes.queue(
        tx,
        row["installation_id"],
        kind="issue",
        repository_id=row["repository_id"],
        target=_report_target(row["repository_id"]),
        arguments={"title": replies.BOARD_ISSUE, "body": body, "labels": []},
        author=BOT,
    )


def _report_target(repository_id: int) -> str:
    return f"board report {repository_id}"


async def _withdraw_report(tx: Tx, installation_id: int, repository_id: int) -> None:
    """Cancel the report about an earlier problem, if it was not sent yet."""
    await writes.supersede(tx, installation_id, "issue", _report_target(repository_id))


async def _notify_leads(tx: Tx, row: BoardSyncRow) -> None:
    name = await stored_repositories.repository_name(
        tx, row["installation_id"], row["repository_id"]
    )
    message = f"Tasks of {name} are not shown on project {row['project']} now: {row['problem']}"
    await notify_leads(tx, row["installation_id"], row["repository_id"], NOTICE, str(name), message)


async def notify_leads(
    tx: Tx, installation_id: int, repository_id: int, kind: str, subject: str, message: str
) -> None:
    for lead in await agents.of_roles(tx, installation_id, ("tech-lead",), MOST_LEADS):
        notice: stored_notices.NewNotice = {
            "agent_id": lead,
            "kind": kind,
            "subject": subject,
            "message": message[:300],
            "repository_id": repository_id,
            "seen_at": None,
            "text_kind": None,
            "text_id": None,
        }
        await stored_notices.add(tx, installation_id, notice)
        await event_recorder.wake(tx, installation_id, lead, BOT)
