"""The database's primary is killed under its agents, and a replica takes over.

For each way of replication: a primary and a replica, agents at work, the replica falls behind, the
primary is killed, the replica is promoted, `hubbub epoch raise`, and the agents go on. Then every
answer that agents had got is looked for.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pymysql
from rich.console import Console
from rich.table import Table

from store.engine.migrate import upgrade
from store.engine.mysql_address import address
from tests.support import throwaway_mariadb
from tests.support.drill import (
    GIVEN,
    Writer,
    at_work,
    held_claims,
    move,
    run_hubbub,
    uses_old_fence,
)
from tests.support.swarm import Plan, Swarm, agents_of, open_swarm
from tests.support.swarm_oracle import AnsweredCall, stored_rows

PLAN = Plan(servers=1, agents=8, tasks=60, seconds=8, kill_every_s=0, pause_s=0.3, given=GIVEN)
# How long the replica receives nothing before the primary dies, where it lags.
LAG_S = 3.0
# Unlike the server of the tests: a binary log, and commits that survive a kill.
BINLOG = ("--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=1")
DURABLE = ("--innodb-flush-log-at-trx-commit=1",)
SEMI_SYNC = (
    "SET GLOBAL rpl_semi_sync_master_enabled = 1",
    "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
    "SET GLOBAL rpl_semi_sync_master_timeout = 60000",
)
# The title, and whether replication is semi-synchronous.
WAYS = (
    ("Semi-synchronous", True),
    ("A replica that lags by 3 s", False),
)
# While the lease of the server that was killed lasts.
IN_USE = (
    "SELECT holder FROM senders WHERE holder <> '' "
    "AND lease_until > CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
)


@dataclass(frozen=True)
class Figures:
    """What one failover showed. Times are seconds."""

    calls: int
    lost_claims: int
    lost_messages: int
    reissued: int
    promote_s: float
    epoch_s: float
    answered_s: float
    refused: int
    accepted: int
    completed: int


@dataclass(frozen=True)
class Server:
    url: str
    process: psutil.Process

    def run(self, *statements: str) -> Any:
        where = address(f"{self.url}mysql")
        with (
            pymysql.connect(
                host=where.host,
                port=where.port,
                user=where.user,
                cursorclass=pymysql.cursors.DictCursor,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for each in statements:
                cursor.execute(each)
            return cursor.fetchone()


@contextmanager
def pair(folder: Path, *, semi_sync: bool) -> Iterator[tuple[Server, Server]]:
    """A primary and its replica."""
    with ExitStack() as life:
        servers = []
        for number in (1, 2):
            place = folder / str(number)
            place.mkdir()
            options = (*BINLOG, *DURABLE, f"--server-id={number}")
            url = life.enter_context(throwaway_mariadb.server(place, *options))
            pid = int((place / "pid").read_text())
            servers.append(Server(url, psutil.Process(pid)))
        primary, replica = servers
        if semi_sync:
            replica.run("SET GLOBAL rpl_semi_sync_slave_enabled = 1")
        _follow(primary, replica)
        if semi_sync:
            primary.run(*SEMI_SYNC)
        yield primary, replica


def _follow(primary: Server, replica: Server) -> None:
    where = address(f"{primary.url}x")
    primary.run(
        "CREATE USER replica@'127.0.0.1'", "GRANT REPLICATION SLAVE ON *.* TO replica@'127.0.0.1'"
    )
    replica.run(
        f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={where.port}, "
        "MASTER_USER='replica', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
        "START SLAVE",
        "SET GLOBAL read_only = 1",
    )


def promote(replica: Server) -> None:
    """Apply what was received, and let it be written to."""
    replica.run("STOP SLAVE IO_THREAD")
    while True:
        state = replica.run("SHOW SLAVE STATUS")
        if state["Exec_Master_Log_Pos"] == state["Read_Master_Log_Pos"]:
            break
        time.sleep(0.02)
    replica.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")


async def fail_over(folder: Path, *, semi_sync: bool) -> Figures:
    with pair(folder, semi_sync=semi_sync) as (primary, replica):
        url = f"{primary.url}hubbub"
        primary.run("CREATE DATABASE hubbub CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
        upgrade(url)
        async with open_swarm(folder, [url], PLAN) as swarm:
            agents = [Writer(swarm, a.name, a.token, a.dice) for a in await agents_of(swarm)]
            async with at_work(agents):
                await asyncio.sleep(PLAN.seconds)
                if not semi_sync:
                    # A replica that lags. With semi-synchronous replication nothing would commit.
                    await asyncio.to_thread(replica.run, "STOP SLAVE IO_THREAD")
                await asyncio.sleep(LAG_S)
                primary.process.kill()
                began = time.monotonic()
            return await _take_over(folder, swarm, agents, replica, began)


async def _take_over(
    folder: Path,
    swarm: Swarm,
    agents: list[Writer],
    replica: Server,
    began: float,
) -> Figures:
    server = swarm.fleet.up.pop(0)
    server.kill()
    await server.process.wait()
    await asyncio.to_thread(promote, replica)
    promote_s = time.monotonic() - began
    url = f"{replica.url}hubbub"
    await move(swarm, url)
    lost = await _lost(swarm)
    await swarm.until(IN_USE)
    await run_hubbub(folder, url, "epoch", "raise", "--missing", "1m")
    epoch_s = time.monotonic() - began
    await swarm.fleet.start(0)
    answered_s = time.monotonic() - began
    held, before = held_claims(swarm.calls), set(_claims(swarm.calls))
    refused = [await uses_old_fence(agents, each) for each in held]
    async with at_work(agents):
        q = "SELECT id FROM tasks WHERE installation_id = :i AND state <> 'completed' LIMIT 1"
        await swarm.until(q)
    after = _claims([each for each in swarm.calls if each.began > began])
    stored = await stored_rows(swarm.store, swarm.installation.id)
    return Figures(
        calls=len(swarm.calls),
        lost_claims=lost[0],
        lost_messages=lost[1],
        reissued=len(before & set(after)),
        promote_s=promote_s,
        epoch_s=epoch_s,
        answered_s=answered_s,
        refused=sum(refused),
        accepted=len(held) - sum(refused),
        completed=sum(each["state"] == "completed" for each in stored.tasks),
    )


def _claims(calls: list[AnsweredCall]) -> list[tuple[str, int]]:
    """Tasks and fences that agents were given."""
    return [
        (each.answer["task"]["task"], each.answer["fence"])
        for each in calls
        if each.operation == "claim_task"
    ]


async def _lost(swarm: Swarm) -> tuple[int, int]:
    """How many acknowledged claims and messages the replica does not have."""
    stored = await stored_rows(swarm.store, swarm.installation.id)
    leases = {each["id"] for each in stored.leases}
    messages = {each["id"] for each in stored.messages}
    claims = [c.answer["lease_id"] for c in swarm.calls if c.operation == "claim_task"]
    sent = [c.answer["message_id"] for c in swarm.calls if c.operation == "send_message"]
    return len(set(claims) - leases), len(set(sent) - messages)


def show(title: str, found: Figures) -> None:
    table = Table(title=title, show_header=False)
    table.add_row("calls answered", f"{found.calls:,}")
    table.add_row("acknowledged claims that the replica lacks", str(found.lost_claims))
    table.add_row("acknowledged messages that the replica lacks", str(found.lost_messages))
    table.add_row("seconds until the replica was promoted", f"{found.promote_s:.1f}")
    table.add_row("seconds until the epoch was raised", f"{found.epoch_s:.1f}")
    table.add_row("seconds until Hubbub answered again", f"{found.answered_s:.1f}")
    table.add_row("old fences refused", str(found.refused))
    table.add_row("old fences accepted", str(found.accepted))
    table.add_row("fences given twice", str(found.reissued))
    table.add_row("tasks completed in the end", f"{found.completed} of {PLAN.tasks}")
    Console().print(table)


def main() -> int:
    if not throwaway_mariadb.is_installed():
        sys.exit("needs mariadbd on this machine: `make test` installs it")
    wrong = 0
    for title, semi_sync in WAYS:
        with tempfile.TemporaryDirectory(dir=throwaway_mariadb.MEMORY) as folder:
            found = asyncio.run(fail_over(Path(folder), semi_sync=semi_sync))
        show(title, found)
        wrong += found.accepted + found.reissued + (found.lost_claims if semi_sync else 0)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
