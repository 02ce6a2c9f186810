"""A backup and a restore of a million rows, between the engines: seconds, and memory.

Half of them are issues, the others are tasks, whose fences the restore raises.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bot.identity import keyring
from bot.identity.keyring import Keys
from store.engine import key_values
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Tx
from tests.benchmarks.million import seed
from tests.benchmarks.processes import SECRET, databases
from tests.support.server_process import environment

# Rows of each of two tables.
SIZE = 500_000
HERE = 7
LOOK_S = 0.1


async def fill(url: str, size: int) -> None:
    async def give_head(tx: Tx) -> None:
        await tx.run("INSERT INTO heads (installation_id, seq) VALUES (:i, 1)", i=HERE)
        await key_values.put(tx, "github app", "4711")

    store = await open_store(url)
    await keyring.check(store, Keys(SECRET))
    await seed(store, HERE, size, analyze=False)
    await store.write(give_head)
    await store.close()


def run(url: str, *words: str) -> tuple[str, str, str, str]:
    """Seconds, those of the processor, the most resident memory in MiB, and the output."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *words],
        env=environment({"HUBBUB_DATABASE_URL": url, "HUBBUB_SECRET_KEY": SECRET}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    most, spent, watched = 0, 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
            spent = sum(watched.cpu_times()[:2])
        except psutil.Error:
            break
        time.sleep(LOOK_S)
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(output)
    took = time.monotonic() - began
    return f"{took:.0f}", f"{spent:.0f}", f"{most / 1024**2:.0f}", " ".join(output.split())


def measure(names: tuple[str, str], urls: tuple[str, str], folder: Path) -> None:
    here, there = names
    path = folder / f"{here}.backup"
    table = Table("step", "seconds", "of the processor", "most MiB")
    *figures, words = run(urls[0], "backup", str(path))
    table.add_row(f"backup of {here}", *figures)
    table.add_row("verify", *run(urls[0], "backup", "verify", str(path))[:3])
    table.add_row(f"restore into {there}", *run(urls[1], "restore", str(path))[:3])
    rows = int(re.findall(r"(\d+) rows", words)[0])
    table.title = f"{rows:,} rows, {path.stat().st_size / 1024**2:.0f} MiB"
    Console().print(table)


def main(size: int) -> int:
    with databases() as first, databases() as second, tempfile.TemporaryDirectory() as folder:
        for here, there in (("SQLite", "MariaDB"), ("MariaDB", "SQLite")):
            if "MariaDB" not in first:
                sys.exit("needs a MariaDB: run it by tests/support/throwaway_mariadb.py")
            upgrade(first[here])
            asyncio.run(fill(first[here], size))
            measure((here, there), (first[here], second[there]), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SIZE))
