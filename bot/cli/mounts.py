"""`hubbub mount`: tool servers. Each command calls one operation, as `hubbub call` does."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.cli import call
from bot.cli.output import say
from bot.cli.tables import show_rows
from bot.settings import Settings, WrongSettings

COLUMNS = ("name", "kind", "state", "health", "tools", "last_success_at", "url", "why")
LOG = ("at", "level", "text")
LISTED = ("name", "state", "title", "description")
DONE = {
    "start": "is started",
    "stop": "is stopped",
    "restart": "is connected again",
    "refresh": "listed its tools",
    "remove": "is removed",
    "add": "is added",
    "change": "is changed",
}


def list_mounts(loaded: Settings, *, as_json: bool) -> None:
    found = call.call_operation(loaded, "list_mounts", {})["mounts"]
    show_rows(found, COLUMNS, as_json=as_json, cell=_cell)


def show(loaded: Settings, name: str, *, as_json: bool) -> None:
    found = call.call_operation(loaded, "get_mount", {"mount": name})
    if as_json:
        say(json.dumps(found))
        return
    show_rows([found["mount"]], COLUMNS, as_json=False, cell=_cell)
    if repositories := found["mount"].get("repositories"):
        say(f"Only agents of {', '.join(repositories)} may call it.")
    say("")
    show_rows(found["listed"], LISTED, as_json=False, cell=_cell)
    say("")
    show_rows(found["log"], LOG, as_json=False)


def manage(loaded: Settings, name: str, action: str, **given: Any) -> None:
    """Do it, and say what came of it. An argument that is None is left out."""
    arguments = {name: value for name, value in given.items() if value is not None}
    asked = {"mount": name, "action": action, **arguments}
    found = call.call_operation(loaded, "manage_mount", asked)
    say(f"{name} {DONE[action]}.{_counts(found.get('mount'))}")
    if parked := found.get("parked"):
        say(f"Parked until somebody accepts them: {', '.join(parked)}.")
    for each in found.get("left_out") or ():
        say(f"Left out: {each}.")
    if note := found.get("credential_note"):
        say(note)


def _counts(mount: Mapping[str, Any] | None) -> str:
    return f" Tools: {_cell('tools', mount['tools'])}." if mount else ""


def _cell(name: str, value: Any) -> str:
    if name == "tools":
        return ", ".join(f"{n} {state}" for state, n in value.items() if n) or "none"
    text = "" if value is None else str(value)
    return text[:200]


def read_secret(given: str | None) -> str | None:
    """The secret of standard input if the option is a dash."""
    return sys.stdin.readline().strip() if given == "-" else given


def read_document(path: Path | None) -> str | None:
    """Raise WrongSettings."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise WrongSettings(f"cannot read {path}: {exc}.") from exc


def read_options(text: str | None) -> dict[str, Any] | None:
    """Raise WrongSettings."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise WrongSettings(f"--options is not JSON: {exc}.") from exc
    if not isinstance(found, dict):
        raise WrongSettings('--options must be an object, such as {"methods": ["get"]}.')
    return found
