"""A throwaway MariaDB: run by Python with a command, it sets HUBBUB_TEST_MYSQL_URL for that.

The files of tests have a folder beside the server's, in memory where there is room.
"""

import contextlib
import ctypes
import datetime as dt
import fcntl
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import debian_packages
from tests.support.debian_packages import PATH, NotInstalled, path_of

VARIABLE = "HUBBUB_TEST_MYSQL_URL"
# The file with the certificate of the server that was started here, which signed it itself.
AUTHORITY = "HUBBUB_TEST_MYSQL_CA"
PROGRAMS = ("mariadbd", "mariadb-install-db", "my_print_defaults")
# The programs alone: no service, no system user. my_print_defaults is in the client's package.
PACKAGES = ("mariadb-server-core", "mariadb-client-core")
REMEDY = f"""
Elsewhere than on Debian or Ubuntu install MariaDB 10.6 or newer, or set
{VARIABLE} to a server whose root has no password and that tests may fill,
as in mysql://root@127.0.0.1:3306/
"""
MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder in it is made by mkdtemp
ROOM_BYTES = 1 << 30
PREFIX = "hubbub-tests-"
# The folder in it for the files of tests, and the variable by which pytest finds it.
FILES = "files"
PYTEST_ROOT = "PYTEST_DEBUG_TEMPROOT"
CERTIFICATE = "certificate.pem"
KEY = "key.pem"
READY = b"ready for connections"
PORT_TAKEN = b"Address already in use"
TRIES = 5
START_S = 60
END_S = 20
POLL_S = 0.02
PR_SET_PDEATHSIG = 1

SMALL = (
    "--innodb-log-file-size=32M",
    "--innodb-undo-tablespaces=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
)
FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-stats-persistent=0",
    "--skip-log-bin",
    "--performance-schema=0",
    "--skip-name-resolve",
    "--max-connections=400",
)


class NoServer(Exception):
    """No MariaDB is to be had; the text says why."""


def main(command: Sequence[str]) -> int:
    """Run the command beside a server. Give its exit status."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _leave)
    try:
        sweep()
        with temporary_folder() as folder:
            if given := os.environ.get(VARIABLE):
                return run(command, given, folder)
            debian_packages.install_missing(PROGRAMS, PACKAGES)
            with server(folder) as url:
                return run(command, url, folder, **{AUTHORITY: str(folder / CERTIFICATE)})
    except (NoServer, NotInstalled) as exc:
        sys.stderr.write(f"The tests need a MariaDB: {exc}\n{REMEDY}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def is_installed() -> bool:
    return debian_packages.are_installed(PROGRAMS)


def sweep() -> None:
    """Clear away what killed runs left behind: the folders that nobody has locked."""
    for place in {MEMORY, Path(tempfile.gettempdir())}:
        for folder in place.glob(f"{PREFIX}*"):
            # OSError: it is somebody's, or in use.
            with contextlib.suppress(OSError), _lock(folder):
                # A folder without content may be waiting for its lock.
                if any(folder.iterdir()):
                    _kill_server_of(folder)
                    shutil.rmtree(folder, ignore_errors=True)


def _kill_server_of(folder: Path) -> None:
    """Where a parent's death does not end the server, the next run does."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text())
        asked = ["ps", "-o", "args=", "-p", str(pid)]
        if str(folder) in subprocess.run(asked, check=False, capture_output=True, text=True).stdout:
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when this process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for a run, in memory where there is room; it ends with the run."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if roomy else None))
    try:
        with _lock(folder):
            (folder / FILES).mkdir()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server(folder: Path, *options: str) -> Iterator[str]:
    """Run a server in this folder, with these options too, and give its URL."""
    owner = ("--user=root",) if os.geteuid() == 0 else ()
    # A server that starts clears away what it finds of others' temporary tables.
    (folder / "tmp").mkdir()
    place = (f"--datadir={folder}/data", f"--tmpdir={folder / 'tmp'}")
    common = ("--no-defaults", *place, *owner, *SMALL)
    _fill(common)
    own = (
        "--bind-address=127.0.0.1",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        # Offered to clients that ask for it.
        f"--ssl-cert={folder / CERTIFICATE}",
        f"--ssl-key={folder / KEY}",
        # Certificates that clients may show: its own.
        f"--ssl-ca={folder / CERTIFICATE}",
    )
    _certify(folder)
    process, port = _start([path_of("mariadbd"), *common, *own, *FAST, *options], folder / "log")
    try:
        yield f"mysql://root@127.0.0.1:{port}/"
    finally:
        _kill(process)


def _start(command: Sequence[str], log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start it on a free port. Another program may take the port before the server does."""
    for _ in range(TRIES):
        port = _free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, f"--port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the tests
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- there are no threads here
            )
        try:
            if _becomes_ready(process, log):
                return process, port
        except BaseException:
            _kill(process)
            raise
        _kill(process)
        if PORT_TAKEN not in log.read_bytes():
            break
    raise NoServer(f"it did not start\n{log.read_text(errors='replace')[-2000:]}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # its data goes with it: nothing to shut down in order
    process.wait()


def _fill(common: Sequence[str]) -> None:
    made = subprocess.run(
        [
            path_of("mariadb-install-db"),
            *common,
            "--skip-test-db",
            "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
        ],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PATH": PATH},
    )
    if made.returncode:
        raise NoServer(f"it could not be set up\n{made.stdout}{made.stderr}")


def _certify(folder: Path) -> None:
    """Make a certificate for 127.0.0.1, which only those who are given it accept."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hubbub's tests")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / CERTIFICATE).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / KEY).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _becomes_ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    until = time.monotonic() + START_S
    while READY not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def run(command: Sequence[str], url: str, folder: Path, **more: str) -> int:
    """Run the command with the server's URL; end it when this process is ended."""
    child = subprocess.Popen(
        command,
        env=os.environ | {VARIABLE: url, PYTEST_ROOT: str(folder / FILES)} | more,
        preexec_fn=die_with_parent,  # noqa: PLW1509 -- there are no threads here
    )
    try:
        return _status(_outcome(child))
    finally:
        if child.poll() is None:
            _end(child)


def _outcome(child: subprocess.Popen[bytes]) -> int:
    while True:
        # The terminal's Ctrl-C reached the child too, and it ends in its own way.
        with contextlib.suppress(KeyboardInterrupt):
            return child.wait()


def _status(returncode: int) -> int:
    """As a shell says it: 128 and the number of the signal that ended it."""
    return returncode if returncode >= 0 else 128 - returncode


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
