"""The queue of runs: starts those that wait, as soon as there is a place."""

from bot.identity.actors import BOT
from bot.repository import repository_settings
from bot.repository.repository_settings import RepositorySettings
from bot.runs import ends, places, spawning, templates
from bot.tasks.states import CLAIMABLE
from store.agents import agents
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.runs import runs
from store.tables.mirror import RepositoryRow
from store.tables.runs import AgentRunRow
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def promote(tx: Tx, installation_id: int, repository_id: int) -> int:
    """Start the next runs of the repository, as many as there are places. Return how many.

    It locks the places of the repository, so that no place is given twice.
    """
    here = (tx, installation_id, repository_id)
    if (repository := await _repository(*here)) is None:
        return 0
    settings, started = await spawning.lock_places(*here), 0
    waiting = await _ready(*here)
    live = await runs.live_counts(*here)
    while following := next(places.next_runs(settings, waiting, live), None):
        waiting.remove(following)
        if await _start_or_cancel(tx, following, settings, repository):
            live[following["template"]] = live.get(following["template"], 0) + 1
            started += 1
    return started


async def has_place(tx: Tx, installation_id: int, repository_id: int) -> bool:
    """Whether a run that waits could start now."""
    here = (tx, installation_id, repository_id)
    if await _repository(*here) is None:
        return False
    settings = await repository_settings.of(*here)
    live, waiting = await runs.live_counts(*here), await _ready(*here)
    return next(places.next_runs(settings, waiting, live), None) is not None


async def _repository(tx: Tx, installation_id: int, repository_id: int) -> RepositoryRow | None:
    """None if nothing can start there: the App has no access, or the repository is archived."""
    found = await stored_repositories.repository_by_id(tx, installation_id, repository_id)
    return None if found is None or found["archived"] else found


async def _ready(tx: Tx, installation_id: int, repository_id: int) -> list[AgentRunRow]:
    """The runs that wait for a place, without those whose task or agent is held back."""
    waiting = await runs.queue(tx, installation_id, repository_id, spawning.MOST_QUEUED + 1)
    named = {each["task_id"] for each in waiting if each["task_id"]}
    held = await tasks.on_hold(tx, installation_id, named)
    names = [each["agent_id"] for each in waiting]
    paused = await agents.paused_among(tx, installation_id, names) if names else set()
    return [
        each for each in waiting if each["task_id"] not in held and each["agent_id"] not in paused
    ]


async def _start_or_cancel(
    tx: Tx, run: AgentRunRow, settings: RepositorySettings, repository: RepositoryRow
) -> bool:
    """Start the run, or cancel it if its agent could not claim its task. Return which."""
    locked = await runs.lock(tx, run["installation_id"], run["id"])
    if locked is None or locked["state"] != "queued":
        return False
    if why := await _why_needless(tx, locked, settings):
        await ends.end_one(tx, locked, "cancelled", BOT, why)
        return False
    # The default branch may have another name by now.
    ref = templates.ref_of(settings.templates[locked["template"]], repository)
    await spawning.dispatch(tx, await runs.change(tx, locked, ref=ref))
    return True


async def _why_needless(tx: Tx, run: AgentRunRow, settings: RepositorySettings) -> str | None:
    if run["template"] not in settings.templates:
        return f"the settings have no template {run['template']} any more"
    if run["task_id"] is None:
        return None
    task = await tasks.get(tx, run["installation_id"], run["task_id"])
    return _why_without_work(run, task) if task else "its task is gone"


def _why_without_work(run: AgentRunRow, task: FullTask) -> str | None:
    """Why the agent of the run could not claim its task. Its parent may hold it for now."""
    own = (run["asked_by"], run["agent_id"], None)
    if task["holder"] not in own:
        return f"{task['holder']} holds its task"
    if task["assigned_to"] not in own:
        return f"its task is reserved for {task['assigned_to']}"
    if task["holder"] is None and task["state"] not in CLAIMABLE:
        return f"its task is {task['state']}"
    return None
