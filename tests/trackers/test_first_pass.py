"""The first pass over a large project: few requests, and small transactions."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, TypeVar

from bot.trackers import gitlab, mirroring
from store.engine.transaction import Store, Work
from tests.support.engines import ON_SQLITE
from tests.support.recording_store import RecordingTx
from tests.support.story import Workspace
from tests.support.trackers import PAGES, tracked

T = TypeVar("T")
ISSUES = 450


class CountingTx(RecordingTx):
    """`seen`: what its statements read or wrote, in rows."""

    def __init__(self, tx: Any, seen: list[int]) -> None:
        super().__init__(tx, [])
        self._seen = seen

    async def all(self, sql: str, **params: Any) -> list[Any]:
        found = await super().all(sql, **params)
        self._seen.append(len(found))
        return found

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._seen.append(len(rows))
        await super().many(sql, rows)


class CountingStore:
    """`transactions`: of each that wrote, the rows of its statements."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.transactions: list[list[int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def write(self, work: Work[T]) -> T:
        seen: list[int] = []
        self.transactions.append(seen)
        return await self.inner.write(lambda tx: work(CountingTx(tx, seen)))


@ON_SQLITE
async def test_the_first_pass_reads_each_page_once_and_keeps_its_transactions_small(
    workspace: Workspace,
) -> None:
    async with tracked(workspace) as scene:
        for n in range(ISSUES):
            scene.gitlab.open(labels=("agent-task",) if n % 3 == 0 else ("other",))
            workspace.clock.forward(0.01)
        await scene.add()
        workspace.clock.forward(120)
        scene.gitlab.requests.clear()
        counting: Any = CountingStore(workspace.store)
        shared = workspace.dispatcher.shared
        q = "SELECT * FROM trackers WHERE installation_id = :i"
        (row,) = await workspace.rows(q)
        which, turns = (workspace.installation.id, row["id"]), 0
        while await mirroring.serve(counting, shared, PAGES, *which):
            turns += 1
            assert turns < ISSUES // 10
        (row,) = await workspace.rows(q)
    assert (row["sweep"], row["sweep_page"], row["cursor_page"]) == (1, 0, 0)
    # All that changed, and all with the label of the mirror.
    pages = ceil(ISSUES / gitlab.PER_PAGE) + ceil(ISSUES / 3 / gitlab.PER_PAGE)
    assert pages <= len(scene.gitlab.requests) <= pages + 2
    assert max(n for seen in counting.transactions for n in seen) <= gitlab.PER_PAGE
    assert max(map(sum, counting.transactions)) <= 4 * gitlab.PER_PAGE
    linked = await workspace.rows("SELECT number FROM tracker_links WHERE installation_id = :i")
    assert len(linked) == ISSUES // 3
