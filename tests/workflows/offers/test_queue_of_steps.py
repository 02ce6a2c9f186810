"""The many steps of one workflow do not keep others waiting."""

import secrets
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.engine import sql
from store.engine.transaction import Store, Tx
from store.tables import TABLES
from store.tasks import ready, tasks
from store.tasks.ready import Wanted
from store.workflows import steps
from store.workflows.steps import SPACING
from tests.support.sampling import examples

MINUTE = 60_000_000
REPOSITORY = 7


@dataclass(frozen=True)
class Flow:
    """A workflow of ready steps that began then, in minutes. Without steps: a plain task."""

    begins: int
    steps: int


FLOWS = st.lists(
    st.builds(Flow, st.integers(0, 300), st.sampled_from([0, 0, 1, 5, 30])), max_size=5
)


async def add_repository(tx: Tx, installation_id: int) -> None:
    columns = TABLES["repositories"].columns
    row: dict[str, Any] = {each.name: 0 if each.type is int else "" for each in columns}
    row |= {"installation_id": installation_id, "id": REPOSITORY, "selected": 1}
    await tx.run(sql.insert("repositories", tuple(row)), **row)


async def add(tx: Tx, installation_id: int, n: int, flow: Flow) -> None:
    at = flow.begins * MINUTE
    made = []
    for place in range(flow.steps or 1):
        where = {"repository_id": REPOSITORY, "number": 100 * n + place, "title": f"{n} {place}"}
        times = {"created_at": at, "queued_at": at}
        made.append(await tasks.create(tx, installation_id, **where, **times))
    none: Any = dict.fromkeys(steps.COMES_BY_TIME)
    key: Any = {"installation_id": installation_id, "workflow_id": f"wf_{n}"}
    rows: list[Any] = [
        {
            **key,
            "step": f"step-{place}",
            "task_id": task_id,
            "place": place,
            "definition": {},
            "state": "open",
            "attempts": 0,
            **none,
        }
        for place, task_id in enumerate(made if flow.steps else [])
    ]
    await steps.add(tx, rows)


async def order(store: Store, flows: list[Flow]) -> list[tuple[int, int]]:
    """The flows and places of the tasks in the order in which claims take them."""
    installation_id = secrets.randbelow(2**52)

    async def work(tx: Tx) -> list[tuple[int, int]]:
        await add_repository(tx, installation_id)
        for n, flow in enumerate(flows):
            await add(tx, installation_id, n, flow)
        found = await ready.page(tx, installation_id, "ada", Wanted(), None, 1000)
        assert [each["id"] for each in found] == [
            each["id"]
            for each in await ready.candidates(tx, installation_id, "ada", Wanted(), None, 1000)
        ]
        places = [each["title"].split() for each in found]
        return [(int(n), int(place)) for n, place in places]

    return await store.write(work)


@settings(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(flows=FLOWS)
async def test_a_workflow_gets_ahead_of_another_task_with_few_of_its_steps(
    store: Store, flows: list[Flow]
) -> None:
    found = await order(store, flows)
    assert len(found) == sum(flow.steps or 1 for flow in flows)
    for n, flow in enumerate(flows):
        first = found.index((n, 0))
        for other, many in enumerate(flows):
            ahead = [each for each in found[:first] if each[0] == other]
            waited = max(0, flow.begins - many.begins) * MINUTE
            assert len(ahead) <= waited // SPACING + 1


async def test_two_workflows_that_began_together_take_turns(store: Store) -> None:
    found = await order(store, [Flow(0, 30), Flow(0, 30), Flow(1, 0)])
    assert [each[0] for each in found[:5]] in ([0, 1, 2, 0, 1], [1, 0, 2, 1, 0])
    assert all({found[2 * k - 1][0], found[2 * k][0]} == {0, 1} for k in range(2, 25))
