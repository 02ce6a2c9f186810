"""Three throwaway nodes of a Galera cluster on loopback, for tests that are run by hand."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pymysql

from tests.support.debian_packages import PATH, path_of
from tests.support.throwaway_mariadb import FAST, MEMORY, SMALL, NoServer, die_with_parent

PROVIDERS = (
    Path("/usr/lib/galera/libgalera_smm.so"),
    Path("/usr/lib64/galera-4/libgalera_smm.so"),
)
# The snapshot of a node that joins is copied by this script, which is in mariadb-server.
SCRIPTS = ("wsrep_sst_rsync", "rsync")
REMEDY = (
    "On Debian or Ubuntu: sudo apt-get install --no-install-recommends "
    "mariadb-server galera-4 rsync"
)
START_S = 90
POLL_S = 0.1
NODES = 3
# Short, so that the cluster notices a dead node within seconds.
TIMES = (
    "evs.keepalive_period=PT0.5S",
    "evs.inactive_check_period=PT0.3S",
    "evs.suspect_timeout=PT2S",
    "evs.inactive_timeout=PT4S",
)


@dataclass(frozen=True)
class Ports:
    sql: int
    group: int
    changes: int
    snapshot: int


@dataclass
class Cluster:
    folder: Path
    provider: Path
    ports: Sequence[Ports]
    # The user of the nodes, because root cannot write a snapshot. None: the user of the tests.
    user: str | None
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, node: int, database: str = "") -> str:
        return f"mysql://root@127.0.0.1:{self.ports[node].sql}/{database}"

    def start(self, node: int, *, first: bool = False) -> None:
        self.launch(node, first=first)
        self.join(node)

    def launch(self, node: int, *, first: bool = False) -> None:
        """Call it in the main thread: the system ends a node with the thread that started it."""
        place = self.folder / str(node)
        for each in (place, place / "data", place / "tmp"):
            each.mkdir(exist_ok=True)
            self.give_to_user(each)
        with (place / "log").open("ab") as out:
            self.running[node] = self._run([*self._server(node, first=first)], out)

    def join(self, node: int) -> None:
        """Wait until the node has all data of the others."""
        end = time.monotonic() + START_S
        while self.status(node, "wsrep_local_state_comment") != "Synced":
            if self.running[node].poll() is not None or time.monotonic() > end:
                log = (self.folder / str(node) / "log").read_text(errors="replace")
                raise NoServer(f"node {node} did not join\n{log[-3000:]}")
            time.sleep(POLL_S)

    def stop(self, node: int) -> None:
        """Stop the node by SIGTERM."""
        process = self.running.pop(node)
        process.send_signal(signal.SIGTERM)
        process.wait()

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
            # A script that copies a snapshot is in the node's session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.running.clear()

    def install(self) -> None:
        """The first node's data; the others copy it."""
        place = self.folder / "0"
        place.mkdir()
        self.give_to_user(place)
        command = [
            path_of("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={place}/data",
            "--skip-test-db",
            "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
            *SMALL,
        ]
        with (place / "log").open("wb") as out:
            if self._run(command, out).wait():
                raise NoServer((place / "log").read_text(errors="replace")[-2000:])

    def run(self, node: int, sql: str) -> list[tuple[str, ...]]:
        connection = pymysql.connect(host="127.0.0.1", port=self.ports[node].sql, user="root")
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def status(self, node: int, name: str) -> str:
        """The status variable of a node, or "" while the node cannot be reached."""
        try:
            found = self.run(node, f"SHOW GLOBAL STATUS LIKE '{name}'")
        except pymysql.err.MySQLError:
            return ""
        return found[0][1] if found else ""

    def _server(self, node: int, *, first: bool) -> Iterator[str]:
        here, place = self.ports[node], self.folder / str(node)
        others = "" if first else ",".join(f"127.0.0.1:{each.group}" for each in self.ports)
        options = (
            "base_host=127.0.0.1",
            f"base_port={here.group}",
            f"gmcast.listen_addr=tcp://127.0.0.1:{here.group}",
            f"ist.recv_addr=127.0.0.1:{here.changes}",
            "gcache.size=64M",
            f"gcache.dir={place}/data",
            *TIMES,
        )
        yield from (path_of("mariadbd"), "--no-defaults", f"--datadir={place}/data")
        yield from (f"--tmpdir={place / 'tmp'}", f"--socket={place}/socket", f"--port={here.sql}")
        yield from ("--bind-address=127.0.0.1", f"--pid-file={place}/pid", *SMALL)
        yield from (each for each in FAST if each != "--skip-log-bin")
        yield from ("--innodb-buffer-pool-size=64M", "--binlog-format=ROW")
        yield from ("--default-storage-engine=InnoDB", "--innodb-autoinc-lock-mode=2")
        yield from ("--wsrep-on=ON", f"--wsrep-provider={self.provider}")
        yield from ("--wsrep-cluster-name=hubbub", f"--wsrep-cluster-address=gcomm://{others}")
        yield from (f"--wsrep-node-name=node-{node}", "--wsrep-node-address=127.0.0.1")
        yield f"--wsrep-node-incoming-address=127.0.0.1:{here.sql}"
        yield from ("--wsrep-sst-method=rsync", "--wsrep-slave-threads=4")
        yield f"--wsrep-sst-receive-address=127.0.0.1:{here.snapshot}"
        yield f"--wsrep-provider-options={';'.join(options)}"

    def give_to_user(self, path: Path) -> None:
        if self.user:
            shutil.chown(path, self.user)

    def _run(self, command: Sequence[str], out: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=os.environ | {"PATH": PATH, "HOME": str(self.folder)},
            user=self.user,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 -- there are no threads here
        )


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Three nodes that have joined. Raise NoServer."""
    provider = next((each for each in PROVIDERS if each.exists()), None)
    missing = [each for each in SCRIPTS if shutil.which(each, path=PATH) is None]
    if provider is None or missing:
        raise NoServer(f"Galera is not on this machine. {REMEDY}")
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="hubbub-galera-", dir=place))
    made = Cluster(folder, provider, _ports(), _nobody())
    try:
        made.give_to_user(folder)
        made.install()
        for node in range(NODES):
            made.start(node, first=node == 0)
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def _nobody() -> str | None:
    if os.geteuid():
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "mysql" if "mysql" in names else "nobody"


def _ports() -> list[Ports]:
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(4 * NODES)]
        for each in listeners:
            each.bind(("127.0.0.1", 0))
        free = [each.getsockname()[1] for each in listeners]
    return [Ports(*free[4 * node : 4 * node + 4]) for node in range(NODES)]
