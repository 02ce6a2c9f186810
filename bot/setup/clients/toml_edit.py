"""Adds a table to a TOML file of a client without a change to the rest."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from bot.setup.clients.json_edit import NotEditable

# What an earlier setup may have written.
OURS = {"url", "bearer_token_env_var", "http_headers"}


def with_table(text: str, path: tuple[str, str], values: Mapping[str, Any]) -> str:
    """The text with the table, at its end or in place of the one that it has.

    Raise NotEditable if that would lose something.
    """
    held, (outer, inner) = parse(text), path
    group = held.get(outer, {})
    if not isinstance(group, dict) or (inner in group and group[inner].keys() - OURS):
        raise NotEditable(f"[{outer}.{inner}] has other values already")
    lines = [f"[{outer}.{inner}]", *(f"{name} = {_literal(each)}" for name, each in values.items())]
    kept = _without_table(text, f"{outer}.{inner}") if inner in group else text
    kept = kept.rstrip("\n") + "\n" if kept.strip() else ""
    made = kept + ("\n" if kept else "") + "\n".join(lines) + "\n"
    if parse(made) != {**held, outer: {**group, inner: dict(values)}}:
        raise NotEditable("the addition would change something else")
    return made


def _without_table(text: str, name: str) -> str:
    """Without the table and its lines, up to the next table. A wrong cut is noticed later."""
    return re.sub(rf"(?ms)^\[{re.escape(name)}\][^\n]*\n?.*?(?=^\[|\Z)", "", text, count=1)


def parse(text: str) -> dict[str, Any]:
    """Raise NotEditable."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise NotEditable(str(exc)) from exc


def _literal(value: Any) -> str:
    """Texts here are addresses, tokens and names: none has a control character."""
    if isinstance(value, dict):
        inside = ", ".join(f"{name} = {_literal(each)}" for name, each in value.items())
        return f"{{ {inside} }}"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
