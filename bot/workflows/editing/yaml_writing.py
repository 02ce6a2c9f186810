"""Writes single values as YAML, in the layout that people use in these files."""

import re
from typing import Any, TypeAlias

import yaml

Value: TypeAlias = Any
# No line is folded.
ENDLESS = 2**31
# The indentation below a key.
STEP = 2
# Characters that a literal block cannot hold, beside what YAML escapes.
BREAKS = "\r\x85\u2028\u2029"
# The parser of files takes such a text for a number, PyYAML not always.
DIGITS = re.compile(r"-?[0-9]+")


def inline(value: Value, *, style: str | None = None, in_flow: bool = False) -> str:
    """A value on one line. `style`: the quotes of a text, where they can hold it."""
    if isinstance(value, str):
        return _text(value, style, in_flow=in_flow)
    if isinstance(value, list):
        return f"[{', '.join(inline(each, in_flow=True) for each in value)}]"
    if isinstance(value, dict):
        entries = (
            f"{inline(k, in_flow=True)}: {inline(v, in_flow=True)}" for k, v in value.items()
        )
        return f"{{{', '.join(entries)}}}"
    return _dump(value)


def _text(text: str, style: str | None, *, in_flow: bool) -> str:
    if "\n" in text:
        style = '"'
    elif style not in ("'", '"'):
        style = "'" if DIGITS.fullmatch(text) else None
    if not in_flow:
        return _dump(text, style)
    # What is plain in a block may need quotes between brackets.
    dumped = _dump([text], style, flow=True)
    return dumped[1:-1]


def _dump(value: Value, style: str | None = None, *, flow: bool = False) -> str:
    dumped: str = yaml.safe_dump(
        value, default_style=style, default_flow_style=flow, width=ENDLESS, allow_unicode=True
    )
    return dumped.removesuffix("...\n").removesuffix("\n")


def is_literal(text: Value) -> bool:
    """Whether it has several lines that a literal block (`|`) can hold."""
    return isinstance(text, str) and "\n" in text.strip("\n") and can_be_literal(text)


def can_be_literal(text: str) -> bool:
    shown = text.replace("\n", "").replace("\t", "")
    is_plain = shown.isprintable() and not any(each in text for each in BREAKS)
    return is_plain and bool(text.strip()) and text[0] not in " \t\n"


def literal_header(text: str) -> str:
    """`|` with what it says about the breaks at the end."""
    ends = len(text) - len(text.rstrip("\n"))
    return "|-" if ends == 0 else "|" if ends == 1 else "|+"


def literal_lines(text: str, indent: int) -> list[str]:
    """The lines below the header."""
    lines = text.removesuffix("\n").split("\n")
    return [" " * indent + each if each else "" for each in lines]


def entry_lines(key: str, value: Value, indent: int) -> list[str]:
    """A key and its value in a block. Only texts take several lines."""
    start = f"{' ' * indent}{inline(key)}:"
    if is_literal(value):
        return [f"{start} {literal_header(value)}", *literal_lines(value, indent + STEP)]
    return [f"{start} {inline(value)}"]


def mapping_lines(value: dict[str, Value], indent: int) -> list[str]:
    return [line for key, each in value.items() for line in entry_lines(key, each, indent)]


def item_lines(value: Value, dash: int, inner: int) -> list[str]:
    """An item of a list in a block. `dash`, `inner`: the columns of its dash and its content."""
    start = f"{' ' * dash}-{' ' * (inner - dash - 1)}"
    if not isinstance(value, dict) or not value:
        return [start + inline(value)]
    first, *rest = mapping_lines(value, inner)
    return [start + first[inner:], *rest]
