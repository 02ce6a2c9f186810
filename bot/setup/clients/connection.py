"""Writes the connection to Hubbub into a client's configuration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.setup import private_files
from bot.setup.clients import json_edit, toml_edit
from bot.setup.clients.json_edit import NotEditable
from bot.setup.clients.table import CLIENTS, NAME, VARIABLE, Client, Places, Scope

LARGEST = 32 * 1024**2


@dataclass(frozen=True)
class Connection:
    """The address of `/mcp`, and the token that a person's own file gets."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Written:
    """What was written where, or why nothing was. `block`: what to add by hand then."""

    title: str
    path: Path
    backup: Path | None = None
    problem: str = ""
    block: str = ""
    # Whether the client needs HUBBUB_TOKEN in its environment.
    needs_variable: bool = False


def write(name: str, scope: Scope, connection: Connection, places: Places) -> Written:
    """Merge the connection into the client's file. A file that cannot be read stays as it is."""
    client = CLIENTS[name]
    path = client.user_file(places) if scope == "user" else places.project / client.project_file
    entry = _entry(client, scope, connection)
    try:
        text = _read(path)
        made = _merge(client, text, entry, scope)
        backup = _write(path, text, made, scope)
    except (NotEditable, OSError) as exc:
        # The token stays out of what is printed: a terminal keeps it.
        shown = _entry(client, "project", connection)
        return Written(client.title, path, problem=str(exc), block=_block(client, shown))
    needs = scope == "project" and not client.inputs
    return Written(client.title, path, backup, needs_variable=needs)


def _entry(client: Client, scope: Scope, connection: Connection) -> dict[str, Any]:
    if scope == "user":
        return client.entry(connection.url, f"Bearer {connection.token}")
    if client.variable_entry:
        return client.variable_entry(connection.url)
    return client.entry(connection.url, f"Bearer {client.variable}")


def _read(path: Path) -> str:
    if not path.exists():
        return ""
    if path.stat().st_size > LARGEST:
        raise NotEditable("it is too large")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as exc:
        raise NotEditable("it is not UTF-8") from exc


def _merge(client: Client, text: str, entry: Mapping[str, Any], scope: Scope) -> str:
    if client.is_toml:
        if toml_edit.parse(text).get(client.group, {}).get(NAME) == entry:
            return text
        return toml_edit.with_table(text, (client.group, NAME), entry)
    made = _with_entry(client, text, entry)
    if scope == "project" and client.inputs:
        held = json_edit.parse(made).value.get("inputs", [])
        if client.inputs not in held:
            made = json_edit.with_item(made, "inputs", client.inputs)
    return made


def _with_entry(client: Client, text: str, entry: Mapping[str, Any]) -> str:
    """Of an entry that is there, what a person added stays, such as the tools that they allow."""
    held = json_edit.parse(text).value if text.strip("\ufeff \t\r\n") else {}
    servers = held.get(client.group, {}) if isinstance(held, dict) else {}
    before = servers.get(NAME) if isinstance(servers, dict) else None
    if not isinstance(before, dict):
        return json_edit.with_member(text, [client.group, NAME], dict(entry))
    if "command" in before:
        raise NotEditable("its entry `hubbub` starts a program; remove that entry first")
    for name, value in entry.items():
        if before.get(name) != value:
            text = json_edit.with_member(text, [client.group, NAME, name], value)
    return text


def _write(path: Path, text: str, made: str, scope: Scope) -> Path | None:
    if made == text:
        return None
    backup = private_files.back_up(path) if path.exists() else None
    if scope == "user":
        private_files.write(path, made.encode())
    else:
        private_files.write_shared(path, made.encode())
    return backup


def _block(client: Client, entry: Mapping[str, Any]) -> str:
    if client.is_toml:
        return toml_edit.with_table("", (client.group, NAME), entry)
    return json.dumps({client.group: {NAME: dict(entry)}}, indent=2)


def variable_hint(token: str) -> str:
    """What the person types before the client starts."""
    return f"export {VARIABLE}={token}"
