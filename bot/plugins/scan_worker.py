"""A program that scans one package, with limits: code can be written so that it takes for ever.

On standard input come a line of JSON, `{"files": [[path, size]], "advisories": []}`, and the files
one after the other. The report goes to standard output, or why there is none.
"""

import json
import resource
import sys
from dataclasses import asdict
from typing import Any, BinaryIO

from bot.plugins import scanning
from bot.plugins.package import Package, WrongPackage
from bot.plugins.scanning import Advisory

MEMORY = 2 * 2**30


def _limit_this_process(cpu_s: int) -> None:
    for which, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def _answer(given: BinaryIO) -> dict[str, Any]:
    head = json.loads(given.readline())
    files = {path: given.read(size) for path, size in head["files"]}
    known = [Advisory(**each) for each in head["advisories"]]
    try:
        return asdict(scanning.scan(Package(files), known))
    except WrongPackage as exc:
        return {"why": str(exc)}


if __name__ == "__main__":
    _limit_this_process(int(sys.argv[1]))
    sys.stdout.write(json.dumps(_answer(sys.stdin.buffer)))
