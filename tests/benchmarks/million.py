"""A million issues that are tasks: lists and single tasks, against ten thousand."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
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
from tests.support.tenant import Expressions, insert

SIZES = (10_000, 1_000_000)
CALLS = 300
GOAL = 0.8
AT = 1_800_000_000_000_000
REPOSITORIES = 10
# Each repository has as many issues; `k` is the number of a row, see `tests.support.tenant`.
# In brackets, because `||` binds tighter than `%`.
PLACE = f"(k % {REPOSITORIES})"
INSTALLATION: Expressions = {
    "account": "'acme'",
    "account_id": "1",
    "account_type": "'Organization'",
    "repository_selection": "'all'",
    "permissions": "'{}'",
    "version": "'0'",
}
REPOSITORY: Expressions = {
    "id": PLACE,
    "full_name": f"'acme/r' || {PLACE}",
    "full_name_key": f"'acme/r' || {PLACE}",
    "default_branch": "'main'",
    "version": "'0'",
}
# Every tenth task is open; of those every tenth is held by somebody.
ISSUES: Expressions = {
    "id": "k",
    "repository_id": PLACE,
    "number": "k",
    "title": "'Mend it'",
    "body": "'It smokes, and nobody knows why.'",
    "state": "CASE WHEN k % 10 = 0 THEN 'open' ELSE 'closed' END",
    "author": "'octocat'",
    "author_association": "'NONE'",
    "labels": """'["agent-task"]'""",
    "created_at": ":at + k",
    "updated_at": ":at + k",
    "version": "'0'",
}
TASKS: Expressions = {
    "id": "'t_' || k",
    "repository_id": PLACE,
    "issue_id": "k",
    "number": "k",
    "title": "'Mend it'",
    "state": "CASE WHEN k % 100 = 0 THEN 'in_progress' WHEN k % 10 = 0 THEN 'pending' "
    "ELSE 'completed' END",
    "priority": "k % 3",
    "holder": "CASE WHEN k % 100 = 0 THEN 'agent-' || (k % 3) END",
    "created_at": ":at + k",
    "updated_at": ":at + k",
}

# The rows of one statement: on a busy machine, a million would take longer than a statement may.
PART = 50_000
# Agents that measure claims do nothing else.
SETTINGS: RepositorySettingsRow = {
    "installation_id": 0,
    "repository_id": 0,
    "settings": '{"max_claims": 1000}',
    "sha": "",
    "problem": None,
    "problem_sha": None,
    "read_at": 0,
    "narrows": 0,
}


async def seed(store: Store, installation_id: int, size: int, *, analyze: bool = True) -> None:
    here = {"i": installation_id, "at": AT}

    async def begin(tx: Tx) -> None:
        await insert(tx, "installations", INSTALLATION, 1, **here)
        await insert(tx, "repositories", REPOSITORY, REPOSITORIES, **here)
        for r in range(REPOSITORIES):
            await settings_files.put(
                tx, {**SETTINGS, "installation_id": installation_id, "repository_id": r}
            )

    async def add(tx: Tx, table: str, columns: Expressions, first: int) -> None:
        await insert(tx, table, columns, min(PART, size + 1 - first), first, **here)

    async def count(tx: Tx) -> None:
        await tx.run("ANALYZE tasks" if tx.dialect == "sqlite" else "ANALYZE TABLE tasks")

    await store.write(begin)
    # A transaction for each part: all of them together would take longer than one may.
    for table, columns in {"issues": ISSUES, "tasks": TASKS}.items():
        for first in range(1, size + 1, PART):
            await store.write(partial(add, table=table, columns=columns, first=first))
    if analyze:
        await store.write(count)


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
