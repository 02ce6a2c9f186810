"""Whatever a program does with its outputs and its children, its end is seen."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

from bot.child_processes import ending

FLOOD = "while True: print('x' * 65536, flush=True)"
# Its child is in another session and keeps its outputs open.
LEAVES = (
    "import subprocess\nheir = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    "print(heir.pid, flush=True)\ninput()"
)


async def started(code: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", code),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )


async def test_what_a_killed_program_wrote_does_not_hide_its_end() -> None:
    process = await started(FLOOD)
    assert process.stdout is not None
    await process.stdout.read(1)
    # More comes than asyncio reads unasked.
    pipe = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    while not pipe._paused:  # noqa: ASYNC110 - another process writes
        await asyncio.sleep(0)
    await ending.kill(process, group=True)
    assert process.returncode == -signal.SIGKILL


async def test_who_holds_the_outputs_of_a_killed_program_is_not_waited_for() -> None:
    process = await started(LEAVES)
    assert process.stdout is not None
    heir = int(await process.stdout.readline())
    await ending.kill(process, group=True, pipes_s=0.1)
    assert process.returncode == -signal.SIGKILL
    os.kill(heir, signal.SIGKILL)


async def test_a_program_without_a_group_of_its_own_is_killed_alone() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    await ending.kill(process, group=False)
    assert process.returncode == -signal.SIGKILL
    ending.send_signal(process, signal.SIGKILL, group=False)
