"""Eight servers on one MariaDB with 25 agents each, for a minute in which servers are killed."""

import asyncio
import sys
import tempfile
from pathlib import Path

import pymysql
from rich.console import Console
from rich.table import Table

from store.engine.migrate import upgrade
from store.engine.mysql_address import address
from tests.benchmarks.processes import databases
from tests.support.swarm import Outcome, Plan, play

PLAN = Plan(servers=8, agents=25, tasks=400, seconds=60, kill_every_s=4, pause_s=2.5)
LEASES = ("claimed", "completed", "expired", "released")


def status(url: str, name: str) -> int:
    """A counter of the server's."""
    where = address(url)
    connection = pymysql.connect(
        host=where.host, port=where.port, user=where.user, password=where.password
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE %s", (name,))
        row = cursor.fetchone()
        return int(row[1]) if row else 0


def show(title: str, found: Outcome, counted: dict[str, int]) -> None:
    table = Table(title=title, show_header=False)
    for name in LEASES:
        table.add_row(f"tasks {name}", f"{found.events[f'task.{name}']:,}")
    table.add_row("messages", f"{found.messages:,}")
    table.add_row("kills", str(found.kills))
    table.add_row("starts given up after a minute", str(found.late))
    table.add_row("calls answered", f"{found.calls:,}")
    table.add_row("a second", f"{found.calls / found.seconds:,.0f}")
    table.add_row("median, p99 (ms)", f"{found.p50_ms:,.0f}, {found.p99_ms:,.0f}")
    for name, n in counted.items():
        table.add_row(name, str(n))
    for name, n in sorted(found.again.items()):
        table.add_row(f"asked again after {name}", str(n))
    for name, n in sorted(found.refused.items()):
        table.add_row(f"agents told {name}", str(n))
    table.add_row("violations", str(len(found.violations)))
    table.add_row("faults in the servers' logs", str(len(found.tracebacks)))
    table.add_row("seconds until all was completed", f"{found.seconds:.0f}")
    console = Console()
    console.print(table)
    for each in [*found.violations[:20], *sorted(set(found.tracebacks))[:20]]:
        console.print(each)


def main() -> int:
    with databases() as urls, tempfile.TemporaryDirectory() as folder:
        if "MariaDB" not in urls:
            sys.exit("needs a MariaDB: run it by tests/support/throwaway_mariadb.py")
        url = urls["MariaDB"]
        upgrade(url)
        before = status(url, "Innodb_deadlocks")
        found = asyncio.run(play(Path(folder), [url], PLAN))
        deadlocks = status(url, "Innodb_deadlocks") - before
    show("Servers killed under their agents", found, {"retries by deadlock": deadlocks})
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
