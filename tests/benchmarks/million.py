"""A million issues that are tasks: lists and single tasks, against ten thousand."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, Tx
from store.mirror import settings_files
from store.tables.mirror import RepositorySettingsRow
from tests.benchmarks.processes import SECRET, databases

SIZES = (10_000, 1_000_000)
CALLS = 300
GOAL = 0.8
AT = 1_800_000_000_000_000
REPOSITORIES = 10
# Every tenth task is open; of those every tenth is held by somebody.
COUNT = (
    "WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {size}) "
    "SELECT k FROM n"
)
# What the servers call their limit to it.
RECURSION = {"mysql": "cte_max_recursion_depth", "mariadb": "max_recursive_iterations"}
INSTALLATION = (
    "INSERT INTO installations (installation_id, account, account_id, account_type, "
    "repository_selection, permissions, version) VALUES (:i, 'acme', 1, 'Organization', 'all', "
    "'{}', '0')"
)
REPOSITORY = (
    "INSERT INTO repositories (installation_id, id, full_name, full_name_key, private, archived, "
    "default_branch, version) VALUES (:i, :r, :name, :name, 0, 0, 'main', '0')"
)
ISSUES = (
    "INSERT INTO issues (installation_id, id, repository_id, number, is_pull_request, title, "
    "body, state, author, author_association, labels, assignees, locked, created_at, updated_at, "
    "version) "
    "SELECT :i, k, k % {repositories}, k, 0, 'Mend it', 'It smokes, and nobody knows why.', "
    "CASE WHEN k % 10 = 0 THEN 'open' ELSE 'closed' END, 'octocat', 'NONE', :labels, "
    "'[]', 0, :at + k, :at + k, '0' FROM ({count}) q"
)
TASKS = (
    "INSERT INTO tasks (installation_id, id, repository_id, issue_id, number, title, state, "
    "priority, capabilities, holder, created_at, updated_at) "
    "SELECT :i, CONCAT('t_', k), k % {repositories}, k, k, 'Mend it', "
    "CASE WHEN k % 100 = 0 THEN 'in_progress' WHEN k % 10 = 0 THEN 'pending' ELSE 'completed' END, "
    "k % 3, '[]', CASE WHEN k % 100 = 0 THEN CONCAT('agent-', k % 3) END, :at + k, :at + k "
    "FROM ({count}) q"
)

# Agents that measure claims do nothing else.
SETTINGS: RepositorySettingsRow = {
    "installation_id": 0,
    "repository_id": 0,
    "settings": '{"max_claims": 1000}',
    "sha": "",
    "problem": None,
    "problem_sha": None,
    "read_at": 0,
}


async def seed(store: Store, installation_id: int, size: int, *, analyze: bool = True) -> None:
    count = COUNT.format(size=size)

    async def work(tx: Tx) -> None:
        if tx.dialect != "sqlite":
            await tx.run(f"SET {RECURSION[tx.dialect]} = 2000000")
        await tx.run(INSTALLATION, i=installation_id)
        for r in range(REPOSITORIES):
            await tx.run(REPOSITORY, i=installation_id, r=r, name=f"acme/r{r}")
            await settings_files.put(
                tx, {**SETTINGS, "installation_id": installation_id, "repository_id": r}
            )
        for q in (ISSUES, TASKS):
            made = q.format(repositories=REPOSITORIES, count=count)
            if tx.dialect == "sqlite":
                made = made.replace("CONCAT('t_', k)", "'t_' || k")
                made = made.replace("CONCAT('agent-', k % 3)", "'agent-' || (k % 3)")
            given = {"labels": '["agent-task"]'} if q is ISSUES else {}
            await tx.run(made, i=installation_id, at=AT, **given)
        if not analyze:
            return
        await tx.run("ANALYZE tasks" if tx.dialect == "sqlite" else "ANALYZE TABLE tasks")

    await store.write(work)


Call = Callable[[int], Awaitable[Any]]


async def took(*alternatives: Call) -> list[float]:
    """The median of each, milliseconds; called in turns, so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in alternatives]
    for n in range(CALLS):
        for call, spent in zip(alternatives, times, strict=True):
            began = time.perf_counter()
            await call(n)
            spent.append(time.perf_counter() - began)
    return [median(spent) * 1000 for spent in times]


def calls(dispatcher: Dispatcher, installation_id: int, size: int) -> dict[str, Call]:
    actor = Actor(installation_id, "bench", "observer")
    pages: dict[int, str] = {}

    async def second(_: int) -> None:
        if not pages:
            first = await dispatcher.call(actor, "list_tasks", {"state": "any"})
            pages[1] = first["next_cursor"]
        await dispatcher.call(actor, "list_tasks", {"state": "any", "cursor": pages[1]})

    def listing(**given: Any) -> Call:
        return lambda _: dispatcher.call(actor, "list_tasks", given)

    return {
        "list_tasks": listing(),
        "list_tasks state=any": listing(state="any"),
        "list_tasks state=any, second page": second,
        "list_tasks state=in_progress": listing(state="in_progress"),
        "list_tasks repository": listing(repository="acme/r0"),
        "list_tasks holder": listing(holder="agent-2"),
        "get_task": lambda n: dispatcher.call(
            actor,
            "get_task",
            {"task": f"acme/r{n % 10}#{(n * 7919) % size // 10 * 10 + n % 10 or 10}"},
        ),
    }


async def compare(url: str) -> list[tuple[str, float, float]]:
    """Of each call: its name, milliseconds at ten thousand and at a million."""
    upgrade(url)
    store = await open_store(url)
    dispatcher = Dispatcher(store, Shared(Keys(SECRET)))
    made = {}
    for size in SIZES:
        made[size] = secrets.randbelow(2**40)
        await seed(store, made[size], size)
    small, large = (calls(dispatcher, made[size], size) for size in SIZES)
    found = []
    for name in small:
        for each in (small, large):
            await each[name](1)
        of_small, of_large = await took(small[name], large[name])
        found.append((name, of_small, of_large))
    await store.close()
    return found


def main() -> None:
    table = Table(title="A million tasks against ten thousand (ms, median)")
    for name in ("engine", "call", "10,000", "1,000,000", "ratio", "at least"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in urls.items():
            for name, small, large in asyncio.run(compare(url)):
                row = (f"{small:.2f}", f"{large:.2f}", f"{small / large:.2f}", f"{GOAL}")
                table.add_row(engine, name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
