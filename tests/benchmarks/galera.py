"""The swarm on three Galera nodes, one of which is stopped and started again. By hand only."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from store.engine import key_values
from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.benchmarks.swarm import show
from tests.support.galera import NODES, Cluster, cluster
from tests.support.swarm import LOOK_EVERY_S, Plan, Swarm, play
from tests.support.throwaway_mariadb import NoServer

PLAN = Plan(servers=6, agents=10, tasks=200, seconds=60, kill_every_s=6, pause_s=1.5)
DATABASE = "hubbub"
# It is stopped after so many seconds, and for so many.
WITH, WITHOUT = 15, 15
READS = 300
COUNTERS = {
    "failed certifications": "wsrep_local_cert_failures",
    "aborted by another node's commit": "wsrep_local_bf_aborts",
}


async def stopped_for_a_while(nodes: Cluster, swarm: Swarm) -> None:
    """The last node, and the servers that use it."""
    last = NODES - 1
    await asyncio.sleep(WITH)
    swarm.fleet.closed.add(nodes.url(last, DATABASE))
    await asyncio.to_thread(nodes.stop, last)
    await asyncio.sleep(WITHOUT)
    nodes.launch(last)
    await asyncio.to_thread(nodes.join, last)
    swarm.fleet.closed.clear()
    await asyncio.sleep(LOOK_EVERY_S)


async def stale(urls: Sequence[str]) -> int:
    """How often of `READS` another node does not know yet what was committed on this one."""
    here, there = [await open_store(url) for url in urls[:2]]
    missed = 0
    for n in range(READS):
        await here.write(partial(key_values.put, name="of a benchmark", value=str(n)))
        missed += await there.read(lambda tx: key_values.get(tx, "of a benchmark")) != str(n)
    for each in (here, there):
        await each.close()
    return missed


def main() -> int:
    try:
        with cluster() as nodes, tempfile.TemporaryDirectory() as folder:
            return run(nodes, Path(folder))
    except NoServer as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


def run(nodes: Cluster, folder: Path) -> int:
    nodes.run(0, f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
    urls = [nodes.url(each, DATABASE) for each in range(NODES)]
    upgrade(urls[0])
    behind = asyncio.run(stale(urls))
    found = asyncio.run(play(folder, urls, PLAN, lambda swarm: stopped_for_a_while(nodes, swarm)))
    counted = {
        words: sum(int(nodes.status(each, name) or 0) for each in range(NODES))
        for words, name in COUNTERS.items()
    }
    counted[f"stale reads on another node, of {READS}"] = behind
    show("Servers killed, and a node of Galera stopped and started again", found, counted)
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
