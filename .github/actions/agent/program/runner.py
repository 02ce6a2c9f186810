"""What the program gets from the runner, and what it writes for it.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


class Problem(Exception):
    """What went wrong and what to do, for the person who reads the log."""


def given(name: str) -> str:
    """An input of the action, or a variable of the runner; empty if there is none."""
    return os.environ.get(name, "").strip()


def escape(text: str) -> str:
    """The text as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command(name: str, text: str) -> None:
    print(f"::{name}::{escape(text)}", flush=True)


def error(text: str) -> None:
    print(f"::error title=Hubbub::{escape(text)}", flush=True)


def mask(secret: str) -> None:
    """Replace the secret in the log of the job from now on."""
    command("add-mask", secret)


def write_output(name: str, value: str) -> None:
    """Add an output of this step. The delimiter is one that the value cannot contain."""
    delimiter = f"hubbub_{secrets.token_hex(16)}"
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
        outputs.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def folder() -> Path:
    """The folder of this job's session. Only its user may look into it."""
    path = Path(given("RUNNER_TEMP") or "/tmp") / "hubbub-agent"  # noqa: S108 - outside of a runner
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read. Readers see the old text or the new one."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_file(path, json.dumps(value, indent=2))
