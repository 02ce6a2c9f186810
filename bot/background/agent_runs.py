"""The step of the loop for agent runs: what time does to them, free places, and schedules."""

from functools import partial

from bot.background import run_steps
from bot.background.attempts import attempt
from bot.errors import Refused
from bot.runs import queue, schedules
from bot.workflows.offers import step_runs
from store.engine.transaction import Store
from store.runs import run_queue
from store.runs.run_queue import RepositoryKey
from store.runs.run_schedules import RUNS
from store.tables.workflows import WorkflowStepRow
from store.workflows import steps

BATCH = 100
FIRST = RepositoryKey(-1, -1)


async def step(store: Store, currency: str) -> int:
    """Do what is due. Return how many runs and schedules it was about."""
    looked = await run_steps.step(store)
    scheduled = await start_scheduled(store, currency)
    return looked + scheduled + await start_of_steps(store, currency) + await promote(store)


async def promote(store: Store) -> int:
    """Start waiting runs where there is a place, each repository in a transaction of its own.

    A run that ends gives its place away itself. This is for places that settings added, and for
    what was in the way, such as a hold. Return how many runs started.
    """
    started, after = 0, FIRST
    while True:
        keys = await store.read(partial(run_queue.waiting_repositories, after=after, limit=BATCH))
        for key in keys:
            serving = _promote_in(store, key)
            repository = key.repository_id
            started += await attempt(serving, "queue of runs not served", repository=repository)
        if len(keys) < BATCH:
            return started
        after = keys[-1]


async def _promote_in(store: Store, key: RepositoryKey) -> int:
    if await store.read(lambda tx: queue.has_place(tx, *key)):
        return await store.write(lambda tx: queue.promote(tx, *key))
    return 0


async def start_scheduled(store: Store, currency: str) -> int:
    """Start the runs whose time has come, each in a transaction of its own. Return how many."""
    started = 0
    due = await store.read(lambda tx: RUNS.due(tx, BATCH))
    for row in due:
        starting = store.write(partial(schedules.start, row=row, currency=currency))
        started += await attempt(starting, "schedule not followed", template=row["template"])
    return started


async def start_of_steps(store: Store, currency: str) -> int:
    """Start the runs of steps of workflows, each in a transaction of its own. Return how many."""
    due = await store.read(lambda tx: steps.with_due_run(tx, BATCH))
    started = 0
    for row in due:
        starting = _start_of_step(store, row, currency)
        started += await attempt(starting, "run of a step not started", task=row["task_id"])
    return started


async def _start_of_step(store: Store, row: WorkflowStepRow, currency: str) -> bool:
    try:
        return await store.write(partial(step_runs.start, row=row, currency=currency))
    except Refused as exc:
        await store.write(partial(step_runs.put_off, row=row, refused=exc))
        return False
