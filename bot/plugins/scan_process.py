"""Scans a package in a process of its own, so that a scan always ends, whatever the package has."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import asdict

from bot.child_processes import ending
from bot.plugins.package import Package, WrongPackage
from bot.plugins.scanning import Advisory, Finding, Report

WORKER = "bot.plugins.scan_worker"
# Seconds of the processor, and by the clock.
CPU_S, TIMEOUT_S = 20, 28.0
TOO_MUCH = (
    "It is too large to scan, or written so that a scan takes too long. Nobody can say what is in "
    "it, so it is not installed."
)


async def scan(package: Package, advisories: Sequence[Advisory] = (), cpu_s: int = CPU_S) -> Report:
    """Raise WrongPackage if it cannot be scanned within the limits."""
    process = await _start(cpu_s)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer, _ = await process.communicate(_input(package, advisories))
    except TimeoutError as exc:
        raise WrongPackage(TOO_MUCH) from exc
    finally:
        await ending.kill(process, group=True)
    if process.returncode:
        raise WrongPackage(TOO_MUCH)
    return _report(answer)


async def _start(cpu_s: int) -> Process:
    # Without what is in the current folder. The environment has secrets.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", WORKER, str(cpu_s)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={},
        start_new_session=True,
    )


def _input(package: Package, advisories: Sequence[Advisory]) -> bytes:
    head = {
        "files": [[path, len(data)] for path, data in package.files.items()],
        "advisories": [asdict(each) for each in advisories],
    }
    return b"".join([json.dumps(head).encode(), b"\n", *package.files.values()])


def _report(answer: bytes) -> Report:
    found = json.loads(answer)
    if "why" in found:
        raise WrongPackage(found["why"])
    findings = [Finding(**each) for each in found.pop("findings")]
    return Report(findings=findings, **found)
