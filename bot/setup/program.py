"""The command `hubbub` as a person types it."""

import shlex
import shutil
import sys
from pathlib import Path


def typed_name(python: str = sys.executable) -> str:
    """`hubbub` if a shell finds the one that runs now, else where it is."""
    own = Path(python).parent / "hubbub"
    if not own.exists():
        return f"{shlex.quote(python)} -m hubbub"
    found = shutil.which("hubbub")
    return "hubbub" if found and own.samefile(found) else shlex.quote(str(own))


def how_to_serve() -> str:
    return f"Start the server in this folder, unless it runs already: {typed_name()} serve"
