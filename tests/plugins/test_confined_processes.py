"""What processes under bubblewrap cannot do, and what they can."""

import asyncio
import contextlib
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.kernel.plugin_calls import Failure, PluginResult
from bot.plugins.sandbox import bubblewrap, processes
from bot.plugins.sandbox.contract import Code, Limits, PluginCall
from bot.plugins.sandbox.sandbox import Sandbox
from bot.plugins.sandbox.seccomp import UnknownMachine, filter_of
from tests.support.bubblewrap import skip_without
from tests.support.patience import SOON_S
from tests.support.plugin_host import RecordingHost

# A plug-in that runs the code it is given: an attacker could not have more.
ATTACKER = b"""
from hubbub_plugin import operation, run

@operation
def attack(hubbub, code):
    given = {"hubbub": hubbub, "found": None}
    exec(code, given)
    return given["found"]

run()
"""
SYSCALL = (
    "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); found = [{}, ctypes.get_errno()]"
)
DENIED = [-1, 1]  # EPERM


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    skip_without()
    made = Sandbox(tmp_path)
    yield made
    made.close()


async def attack(sandbox: Sandbox, code: str, limits: Limits | None = None) -> PluginResult:
    call = PluginCall("operation", "attack", {"code": code})
    return await sandbox.run(Code.of("process", ATTACKER), call, limits or PATIENT, RecordingHost())


READS = [
    ("open('/etc/passwd')", "FileNotFoundError"),
    ("open('/proc/1/environ')", "FileNotFoundError"),
    ("open('/proc/self/mem')", "FileNotFoundError"),
    ("open('/sys/kernel/notes')", "FileNotFoundError"),
    ("open('/run/systemd/notify')", "FileNotFoundError"),
    (f"open({str(Path(__file__).resolve())!r})", "FileNotFoundError"),
    ("open('/proc/../etc/shadow')", "FileNotFoundError"),
    ("import os; os.symlink('/etc/passwd', '/tmp/x'); open('/tmp/x')", "FileNotFoundError"),
    ("import os; os.listdir('/home')", "FileNotFoundError"),
    ("import os; os.listdir('/proc')", "FileNotFoundError"),
    ("open('/dev/tty')", "FileNotFoundError"),
    ("open('/dev/fd/0')", "FileNotFoundError"),
    ("open('/proc/self/fd/0')", "FileNotFoundError"),
]
WRITES = [
    ("open('/new', 'w')", "Read-only file system"),
    ("open('/hubbub/hubbub_plugin.py', 'w')", "Read-only file system"),
    ("open('/plugin', 'r+')", "Permission denied"),
    ("open('/dev/new', 'w')", "Read-only file system"),
    ("open('/usr/lib/new', 'w')", "Read-only file system"),
    ("import os; os.symlink('/usr/lib', '/tmp/x'); open('/tmp/x/new', 'w')", "Read-only file"),
    ("import os; os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))", "PermissionError"),
    ("open('/tmp/x', 'wb').write(b'x' * (17 << 20))", "File too large"),
    ("import os; os.chmod('/plugin', 0o777)", "Read-only file system"),
    ("import os; os.link('/plugin', '/tmp/x')", "Invalid cross-device link"),
    # The kernel counts their values for no limit.
    ("import os; os.setxattr('/tmp', 'user.x', b'x' * 60_000)", "PermissionError"),
    (
        "for n in range(40): open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20))",
        "No space left on device",
    ),
]
NETWORK = [
    ("import socket; socket.create_connection(('127.0.0.1', 22))", "PermissionError"),
    ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "PermissionError"),
    ("import socket; socket.socket(socket.AF_UNIX)", "PermissionError"),
    ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "PermissionError"),
    (
        "import socket as s; one, _ = s.socketpair(type=s.SOCK_DGRAM); one.sendto(b'x', '\\0X11')",
        "ConnectionRefusedError",
    ),
    ("import socket; socket.getaddrinfo('example.com', 443)", "gaierror"),
    (
        "import urllib.request; urllib.request.urlopen('http://169.254.169.254/')",
        "URLError",
    ),
]
PROCESSES = [
    ("import os\nwhile True: os.fork()", "PermissionError"),
    ("import os; os.posix_spawn('/bin/sh', ['sh'], {})", "PermissionError"),
    ("import subprocess; subprocess.run(['/bin/sh'])", "PermissionError"),
    (
        "import threading\nwhile True: threading.Thread(target=print).start()",
        "can't start new thread",
    ),
    ("import os; os.kill(PARENT, 9)", "ProcessLookupError"),
    ("import os; os.kill(-1, 9)", "ProcessLookupError"),
    ("import os; os.execve('/bin/sh', ['sh'], {})", "FileNotFoundError"),
    ("import os; os.nice(-20)", "Permission"),
    (
        "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
        "PermissionError",
    ),
    ("import os; os.setuid(0)", "OSError"),
    ("import os; os.setgroups([0])", "PermissionError"),
    ("import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))", "not allowed to raise"),
    ("import os; os.memfd_create('x')", "PermissionError"),
    ("import os; os.chroot('/tmp')", "PermissionError"),
]

SYSTEM_CALLS = [
    "c.ptrace(0, 0, 0, 0)",
    "c.unshare(0x10000000)",
    "c.setns(0, 0)",
    "c.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "c.umount2(b'/tmp', 2)",
    "c.syscall(155 if os.uname().machine == 'x86_64' else 41, b'/', b'/')",
    "c.syscall(425, 8, None)",
    "c.syscall(434, 1, 0)",
    "c.shmget(0, 4096, 0o1777)",
    "c.process_vm_readv(1, None, 0, None, 0, 0)",
    "c.personality(0x0040000)",
    "c.fsetxattr(0, b'user.x', b'x', 1, 0)",
    "c.syscall(250 if os.uname().machine == 'x86_64' else 219, 0, 0, 0)",
    "c.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0)",
    "c.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0)",
    "c.open_by_handle_at(0, None, 0)",
]
# A busy machine may take long to start a process.
PATIENT = Limits(wall_s=SOON_S)
MISBEHAVIOUR: list[tuple[str, Limits, str, str]] = [
    ("while True: pass", Limits(fuel=1, wall_s=SOON_S), "out_of_fuel", "computed for too long"),
    (
        "import signal as s\nfor n in range(1, 9): s.signal(n, s.SIG_IGN)\nwhile True: pass",
        Limits(fuel=1, wall_s=SOON_S),
        "out_of_fuel",
        "computed for too long",
    ),
    # Another program inherits the limits.
    (
        "import os, sys; os.execve(sys.executable, ['python', '-c', 'while True: pass'], {})",
        Limits(fuel=1, wall_s=SOON_S),
        "out_of_fuel",
        "computed for too long",
    ),
    ("import time; time.sleep(60)", Limits(wall_s=0.5), "timed_out", "longer than 0.5 s"),
    # The beginning of a line, and never its end.
    (
        'import os, time; os.write(3, b\'{"answer": "1"}\'); time.sleep(60)',
        Limits(wall_s=0.5),
        "timed_out",
        "longer than 0.5 s",
    ),
    (
        "import os, time\nfor n in range(4): os.close(n)\ntime.sleep(60)",
        Limits(wall_s=0.5),
        "timed_out",
        "longer than 0.5 s",
    ),
    ("hubbub.call('wait')", Limits(wall_s=0.5), "timed_out", "longer than 0.5 s"),
    (
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        PATIENT,
        "out_of_memory",
        "MemoryError",
    ),
    ("def f(): f()\nf()", PATIENT, "trap", "RecursionError"),
    ("import os; os._exit(3)", PATIENT, "trap", "It ended with status 3"),
    ("import os, signal; os.kill(os.getpid(), 11)", PATIENT, "trap", "status 139"),
    ("found = 'x' * 300_000", PATIENT, "bad_output", "longer than 262144 bytes"),
    ("found = object()", PATIENT, "trap", "TypeError"),
    ("import os\nwhile True: os.write(2, b'x' * 65536)", PATIENT, "bad_output", "its log"),
    ("import os; os.write(3, b'x' * (8 << 20))", PATIENT, "bad_output", "line that is too"),
    ("import os; os.write(3, b'\\xff\\xfe\\n')", PATIENT, "bad_output", "not JSON"),
    ("import os; os.write(3, b'[' * 100_000 + b'\\n')", PATIENT, "bad_output", "not JSON"),
    ("import os; os.write(3, b'{\"call\": 1}\\n')", PATIENT, "bad_output", "protocol"),
    ('import os; os.write(3, b\'{"answer": "NaN"}\\n\')', PATIENT, "bad_output", "not JSON"),
    (
        'import os; os.write(3, b\'{"answer": "\\\\ud800"}\\n\')',
        PATIENT,
        "bad_output",
        "not JSON",
    ),
    (
        "import os; os.write(3, b'{\"answer\": \"' + b'[' * 100_000 + b'\"}\\n')",
        PATIENT,
        "bad_output",
        "not JSON",
    ),
    ("raise SystemExit(0)", PATIENT, "trap", "It ended with status 0"),
    (
        "while True:\n  try: hubbub.call('get_task')\n  except Exception: pass",
        Limits(host_calls=5, wall_s=SOON_S),
        "trap",
        "refused for the number",
    ),
    ("hubbub.call('get_task', {'x': 'x' * 300_000})", PATIENT, "error", "than 262144 bytes"),
    ("hubbub.call('long')", PATIENT, "error", "ask for less"),
    ("hubbub.call('refuse')", PATIENT, "error", "forbidden: Not this one."),
    ("hubbub.fetch('https://example.com')", PATIENT, "error", "names no hosts"),
]


@pytest.mark.parametrize(("code", "words"), [*READS, *WRITES, *NETWORK, *PROCESSES])
async def test_an_escape_is_refused_by_the_kernel(sandbox: Sandbox, code: str, words: str) -> None:
    result = await attack(sandbox, code.replace("PARENT", str(os.getpid())))
    assert result.failure is not None
    assert words in result.failure.text
    assert result.failure.kind in ("trap", "error")


@pytest.mark.parametrize("call", SYSTEM_CALLS)
async def test_a_system_call_is_denied(sandbox: Sandbox, call: str) -> None:
    assert (await attack(sandbox, SYSCALL.format(call))).value == DENIED


async def test_a_process_sees_nothing_of_its_machine(sandbox: Sandbox) -> None:
    code = (
        "import os, sys; found = [sorted({*os.environ} - {'LC_CTYPE', 'PWD'}), os.getuid(),"
        " os.uname().nodename, os.getppid() in (0, 1), os.listdir('/dev'), os.listdir('/tmp'),"
        " [each for each in sys.path if 'site-packages' in each], os.listdir('/hubbub')]"
    )
    found = (await attack(sandbox, code)).value
    assert found[:7] == [[], 65534, "confined", True, ["null"], [], []]
    assert {"hubbub_plugin.py", "launch.py"} <= {*found[7]}


async def test_a_process_inherits_no_file_but_its_pipes(sandbox: Sandbox) -> None:
    """And none of them is more than a pipe. The fourth is what the library writes to."""
    code = (
        "import os, stat\nfound = []\nfor n in range(256):\n"
        "  try: found.append([n, stat.S_ISFIFO(os.fstat(n).st_mode)])\n  except OSError: pass"
    )
    assert (await attack(sandbox, code)).value == [[n, True] for n in range(4)]


@pytest.mark.parametrize(("code", "limits", "kind", "words"), MISBEHAVIOUR)
async def test_a_process_that_misbehaves_is_stopped_in_words(
    sandbox: Sandbox, code: str, limits: Limits, kind: str, words: str
) -> None:
    result = await attack(sandbox, code, limits)
    assert result.failure is not None
    assert (result.failure.kind, words in result.failure.text) == (kind, True), result.failure
    assert _confined() == []


async def test_what_a_process_prints_is_kept_up_to_a_bound(sandbox: Sandbox) -> None:
    result = await attack(sandbox, "print('a' * 20_000); found = 1")
    assert result.value == 1
    assert result.log == "a" * 16384 + "\n(the rest was dropped)"


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


async def test_an_archive_is_never_unpacked_whatever_its_paths_say(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    files = {
        "digest/__init__.py": b"",
        "digest/main.py": b"import digest.words, os\n" + ATTACKER,
        "digest/words.py": b"WORDS = 1",
        "../escaped": b"x",
        f"{tmp_path}/escaped": b"x",
    }
    code = Code.of("process", _zip(files), "digest/main.py")
    call = PluginCall("operation", "attack", {"code": "import os; found = os.listdir('/tmp')"})
    result = await sandbox.run(code, call, PATIENT, RecordingHost())
    assert result.value == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("content", "kind"), [(b"1 +", "trap"), (b"PK\3\4 broken", "trap"), (b"x" * 2000, "refused")]
)
async def test_code_that_is_no_program_is_a_failure(
    sandbox: Sandbox, content: bytes, kind: str
) -> None:
    limits = Limits(code_bytes=1999)
    result = await sandbox.run(
        Code.of("process", content), PluginCall("panel"), limits, RecordingHost()
    )
    assert result.failure is not None
    assert result.failure.kind == kind


async def test_a_cancelled_run_leaves_no_process(sandbox: Sandbox) -> None:
    host = RecordingHost()
    call = PluginCall("operation", "attack", {"code": "hubbub.call('wait')"})
    running = asyncio.create_task(
        sandbox.run(Code.of("process", ATTACKER), call, Limits(wall_s=60), host)
    )
    await host.is_waiting.wait()
    assert _confined() != []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert host.was_cancelled
    assert _confined() == []


async def test_a_killed_process_is_a_failure_and_the_next_one_runs(sandbox: Sandbox) -> None:
    host = RecordingHost()
    call = PluginCall("operation", "attack", {"code": "hubbub.call('wait')"})
    code = Code.of("process", ATTACKER)

    async def kill() -> None:
        await host.is_waiting.wait()
        for each in _confined():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()

    killing, wall_s = asyncio.create_task(kill()), 0.5
    # On a busy machine the time may end before the process has called its host.
    while not killing.done():
        result = await sandbox.run(code, call, Limits(wall_s=wall_s), host)
        wall_s *= 3
    assert result.failure is not None
    assert (await attack(sandbox, "found = 1")).value == 1


SERVER = """
import asyncio, sys
from pathlib import Path
from bot.plugins.sandbox.contract import Code, Limits, PluginCall
from bot.plugins.sandbox.sandbox import Sandbox
from tests.support.patience import SOON_S
from tests.support.plugin_host import RecordingHost

async def main():
    host = RecordingHost()
    # It asks the kernel not to end it with its parent, and ignores all signals that can be ignored.
    attack = (
        "import ctypes, signal; ctypes.CDLL(None).prctl(1, 0)\\n"
        "for n in {*signal.valid_signals()} - {9, 19}: signal.signal(n, signal.SIG_IGN)\\n"
        "hubbub.call('wait')"
    )
    call = PluginCall("operation", "attack", {"code": attack})
    code = Code.of("process", sys.stdin.buffer.read())
    sandbox = Sandbox(Path("/nowhere"))
    running = asyncio.create_task(sandbox.run(code, call, Limits(wall_s=60), host))
    await host.is_waiting.wait()
    print("waiting", flush=True)
    await running

asyncio.run(main())
"""


async def test_a_killed_server_leaves_no_process() -> None:
    skip_without()
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(ATTACKER)
    server.stdin.close()
    assert await server.stdout.readline() == b"waiting\n"
    confined = psutil.Process(server.pid).children(recursive=True)
    assert confined != []
    server.kill()
    await server.wait()
    assert psutil.wait_procs(confined, timeout=SOON_S)[1] == []


async def test_without_bubblewrap_nothing_runs(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "bwrap_path", lambda: None)
    assert (await attack(sandbox, "found = 1")).failure == Failure(
        "missing_runtime", processes.MISSING
    )


async def test_without_namespaces_of_users_nothing_runs(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(bwrap: str, *_: Any) -> list[str]:
        return [bwrap, "--bind", "/nowhere", "/", "true"]

    monkeypatch.setattr(processes, "command", command)
    failure = (await attack(sandbox, "found = 1")).failure
    assert failure is not None
    assert failure.kind == "missing_runtime"
    assert "bwrap: Can't find source path /nowhere" in failure.text


def test_a_machine_without_a_filter_of_system_calls_is_refused() -> None:
    with pytest.raises(UnknownMachine):
        filter_of("riscv64")
    assert len(filter_of("x86_64")) % 8 == len(filter_of("aarch64")) % 8 == 0


def test_python_of_a_distribution_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    made = bubblewrap.command("bwrap", 3, 4, "main.py", Limits())
    assert ["--ro-bind", "/usr", "/usr"] not in [made[n : n + 3] for n in range(len(made))]


def _confined() -> list[psutil.Process]:
    """What runs under the bubblewrap of this process."""
    return psutil.Process().children(recursive=True)
