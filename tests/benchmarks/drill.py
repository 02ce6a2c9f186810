"""A drill: agents at work, a backup, more work, kill -9, a restore into the other engine."""

import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.processes import databases
from tests.support.drill import GIVEN, Figures, run_drill
from tests.support.swarm import Plan

PLAN = Plan(servers=1, agents=8, tasks=60, seconds=12, kill_every_s=0, pause_s=0.5, given=GIVEN)


def show(title: str, found: Figures) -> None:
    table = Table(title=title, show_header=False)
    table.add_row("rows in the backup", f"{found.rows:,}")
    table.add_row("size (KiB)", f"{found.backup_bytes / 1024:,.0f}")
    table.add_row("seconds to back up and verify", f"{found.backup_s:.1f}")
    table.add_row("seconds of agents' state lost", f"{found.lost_s:.1f}")
    table.add_row("acknowledged calls lost", str(found.lost_calls))
    table.add_row("seconds to restore", f"{found.restore_s:.1f}")
    table.add_row("seconds until the server answered", f"{found.ready_s:.1f}")
    table.add_row("seconds until all was caught up and done", f"{found.caught_up_s:.1f}")
    table.add_row("deliveries asked for again", str(found.redelivered))
    table.add_row("old fences refused", str(found.refused_fences))
    table.add_row("problems", str(len(found.problems)))
    console = Console()
    console.print(table)
    for each in found.problems[:20]:
        console.print(each)


def main() -> int:
    problems = 0
    with databases() as first, databases() as second, tempfile.TemporaryDirectory() as folder:
        if "MariaDB" not in first:
            sys.exit("needs a MariaDB: run it by tests/support/throwaway_mariadb.py")
        for here, there in (("SQLite", "MariaDB"), ("MariaDB", "SQLite")):
            place = Path(folder) / here
            place.mkdir()
            found = asyncio.run(run_drill(place, first[here], second[there], PLAN))
            show(f"{here} to {there}", found)
            problems += len(found.problems)
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
