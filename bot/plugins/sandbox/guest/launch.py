"""The first program in the sandbox: it lowers its own limits for good, then runs the plug-in.

`launch.py CODE ENTRY NAME=VALUE...`: the names are those of the limits in the module resource.
It imports nothing of Hubbub, which is not there.
"""

import os
import resource
import runpy
import sys
import zipfile

READY = b'{"ready": true}\n'


def _limit_this_process(limits: list[str]) -> None:
    for each in limits:
        name, _, value = each.partition("=")
        most = int(value)
        # A process hears of the first limit of CPU time, and is killed at the second.
        hard = most + 1 if name == "RLIMIT_CPU" else most
        resource.setrlimit(getattr(resource, name), (most, hard))


def _run(code: str, entry: str) -> None:
    sys.argv = [entry]
    sys.path.insert(0, os.path.dirname(__file__))  # hubbub_plugin
    if not zipfile.is_zipfile(code):
        runpy.run_path(code, run_name="__main__")
        return
    sys.path.insert(0, code)
    runpy.run_module(entry.removesuffix(".py").replace("/", "."), run_name="__main__")


if __name__ == "__main__":
    _limit_this_process(sys.argv[3:])
    os.write(1, READY)
    _run(sys.argv[1], sys.argv[2])
