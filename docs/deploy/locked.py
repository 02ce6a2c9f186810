"""Prints the part of requirements.lock that some packages need, with its hashes.

`locked.py` is for what the wheel of Hubbub needs at run time, `locked.py --extra fast` also for an
extra of it, and `locked.py hatchling` for a package that the lock has. It needs only the standard
library of Python 3.11, and runs in the folder of the checkout.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
# In the lock, the comments under a package name those that depend on it.
PACKAGE = re.compile(r"^([a-z0-9._-]+)==")
DEPENDENT = re.compile(r"^ +#(?: via)? +([a-z0-9._-]+)$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")


def blocks(lock: str) -> dict[str, str]:
    """The lines of each package, by its name."""
    found: dict[str, list[str]] = {}
    for line in lock.splitlines():
        if start := PACKAGE.match(line):
            lines = found.setdefault(start[1], [])
        lines.append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def needed(lock: dict[str, str], names: Iterable[str]) -> list[str]:
    """These packages and all that they depend on, sorted."""
    wanted = set(names)
    if missing := wanted - lock.keys():
        raise SystemExit(f"requirements.lock has no {', '.join(sorted(missing))}")
    dependents = {name: set(DEPENDENT.findall(block)) for name, block in lock.items()}
    while more := {name for name, by in dependents.items() if by & wanted} - wanted:
        wanted |= more
    return sorted(wanted)


def run_time(project: dict[str, object], extras: Iterable[str]) -> list[str]:
    """The names that the wheel depends on."""
    listed = [*project["dependencies"]]  # type: ignore[misc]
    for each in extras:
        listed += project["optional-dependencies"][each]  # type: ignore[index]
    return [NAME.match(each)[0].lower() for each in listed]  # type: ignore[index]


def main(words: list[str]) -> None:
    lock = blocks((ROOT / "requirements.lock").read_text())
    extras = [words[n + 1] for n, word in enumerate(words) if word == "--extra"]
    names = [word for word in words if word not in (*extras, "--extra")]
    if not names:
        names = run_time(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"], extras)
    print("\n".join(lock[name] for name in needed(lock, names)))


if __name__ == "__main__":
    main(sys.argv[1:])
