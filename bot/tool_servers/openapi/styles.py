"""How the value of an argument is written into a request, in OpenAPI's styles.

A value that its style cannot carry unchanged is refused.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from urllib.parse import quote

from bot.tool_servers.openapi.manifest import Style

Pair: TypeAlias = tuple[str, str]

# What HTTP gives through unchanged in a header.
HEADER_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")
DELIMITERS: dict[Style, str] = {"spaceDelimited": " ", "pipeDelimited": "|"}
# Reserved characters that a query can carry as they are, without ending a value.
RESERVED = ":/?[]@!$'()*,;="
DEEPEST = 10


class WrongArgument(Exception):
    """An argument cannot be sent. The text continues a sentence that begins with its name."""

    def __init__(self, argument: str, why: str) -> None:
        super().__init__(f"`{argument}` {why}")


def encode(text: str) -> str:
    """The text in a URL: everything but letters, digits and -._~ is percent-encoded."""
    return quote(text, safe="")


def _encode_some(text: str) -> str:
    return quote(text, safe=RESERVED)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def scalar(argument: str, value: Any) -> str:
    """A text, a number, true or false, as a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    what = "null" if value is None else "a list or object inside"
    raise WrongArgument(argument, f"has {what}, which this parameter cannot carry")


def _parts(argument: str, value: Any) -> list[str] | list[Pair] | str:
    """A value as plain texts: one, a list of them, or pairs."""
    if isinstance(value, list):
        return [scalar(argument, each) for each in value]
    if isinstance(value, dict):
        return [(key, scalar(argument, each)) for key, each in value.items()]
    return scalar(argument, value)


def _is_pairs(parts: list[str] | list[Pair]) -> bool:
    return bool(parts) and isinstance(parts[0], tuple)


def _join(
    parts: list[str] | list[Pair], delimiter: str, write: Callable[[str], str], equals: str
) -> str:
    """`a,1,b,2`, or `a=1,b=2` if `equals` is a sign of equality."""
    texts = [
        write(each) if isinstance(each, str) else f"{write(each[0])}{equals}{write(each[1])}"
        for each in parts
    ]
    return delimiter.join(texts)


# --- Path ----------------------------------------------------------------------------------------


def in_path(argument: str, name: str, value: Any, style: Style, *, explode: bool) -> str:
    """What stands for `{name}` in the path."""
    if style == "json":
        return encode(json_text(value))
    parts = _parts(argument, value)
    if not parts:
        raise WrongArgument(argument, "must not be empty, because it is a part of the path")
    if style == "label":
        return _label(parts, explode=explode)
    if style == "matrix":
        return _matrix(name, parts, explode=explode)
    if isinstance(parts, str):
        return encode(parts)
    if not (made := _join(parts, ",", encode, "=" if explode else ",")):
        raise WrongArgument(argument, "must not be empty, because it is a part of the path")
    return made


def _label(parts: str | list[str] | list[Pair], *, explode: bool) -> str:
    def write(text: str) -> str:
        return encode(text).replace(".", "%2E")

    if isinstance(parts, str):
        return "." + write(parts)
    delimiter, equals = (".", "=") if explode else (",", ",")
    return "." + _join(parts, delimiter, write, equals)


def _matrix(name: str, parts: str | list[str] | list[Pair], *, explode: bool) -> str:
    key = encode(name)
    if isinstance(parts, str):
        return f";{key}={encode(parts)}"
    if not explode:
        return f";{key}={_join(parts, ',', encode, ',')}"
    if _is_pairs(parts):
        return ";" + _join(parts, ";", encode, "=")
    return "".join(f";{key}={encode(str(each))}" for each in parts)


# --- Query and forms -----------------------------------------------------------------------------


def in_query(
    argument: str,
    name: str,
    value: Any,
    style: Style,
    *,
    explode: bool,
    allow_reserved: bool = False,
) -> list[str]:
    """The parts of the query, each as `name=value`. An empty list or object has none."""
    write = _encode_some if allow_reserved else encode
    key = encode(name)
    if style == "json":
        return [f"{key}={encode(json_text(value))}"]
    if style == "deepObject" and isinstance(value, dict | list):
        return [f"{encode(at)}={write(text)}" for at, text in _deep(argument, name, value, 0)]
    parts = _parts(argument, value)
    if isinstance(parts, str):
        return [f"{key}={write(parts)}"]
    if explode:
        named = parts if _is_pairs(parts) else [(name, str(each)) for each in parts]
        return [f"{encode(each[0])}={write(each[1])}" for each in named]
    delimiter = DELIMITERS.get(style, "")
    if delimiter:
        _check_without(argument, parts, delimiter)
    separator = encode(delimiter) or ","
    return [f"{key}={_join(parts, separator, encode, separator)}"] if parts else []


def _deep(argument: str, name: str, value: Any, depth: int) -> Iterable[Pair]:
    """`name[key]=value`, also nested. Entries of a list have their numbers as keys."""
    if depth > DEEPEST:
        raise WrongArgument(argument, "is nested too deeply")
    if not isinstance(value, dict | list):
        yield name, scalar(argument, value)
        return
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in entries:
        if not str(key) or not {"[", "]"}.isdisjoint(str(key)):
            raise WrongArgument(argument, "has an empty key, or a key with brackets")
        yield from _deep(argument, f"{name}[{key}]", each, depth + 1)


def _check_without(argument: str, parts: list[str] | list[Pair], *delimiters: str) -> None:
    for each in parts:
        for text in (each,) if isinstance(each, str) else each:
            for delimiter in delimiters:
                if delimiter in text:
                    reason = f"has an entry with {delimiter!r}, which separates the entries"
                    raise WrongArgument(argument, reason)


# --- Headers and cookies -------------------------------------------------------------------------


def in_header(argument: str, value: Any, style: Style, *, explode: bool) -> str:
    """The value of a header, which is not percent-encoded."""
    if style == "json":
        # JSON has an escape for each character that a header cannot carry.
        return "".join(each if " " <= each <= "~" else _escape(each) for each in json_text(value))
    parts = _parts(argument, value)
    if isinstance(parts, str):
        made = parts
    else:
        delimiters = (",", "=") if _is_pairs(parts) and explode else (",",)
        _check_without(argument, parts, *delimiters)
        _check_spaces(argument, parts)
        made = _join(parts, ",", str, "=" if explode else ",")
    if not HEADER_TEXT.fullmatch(made):
        reason = "must be letters, digits and signs of ASCII, because it is sent as a header"
        raise WrongArgument(argument, reason)
    return made


def _escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


def _check_spaces(argument: str, parts: list[str] | list[Pair]) -> None:
    texts = [text for each in parts for text in ((each,) if isinstance(each, str) else each)]
    if any(not each or each != each.strip() for each in texts):
        reason = "has an entry that is empty, or begins or ends with a space"
        raise WrongArgument(argument, reason)


def in_cookie(argument: str, name: str, value: Any, style: Style, *, explode: bool) -> list[str]:
    """The cookies, each as `name=value`."""
    if style == "json":
        return [f"{name}={encode(json_text(value))}"]
    parts = _parts(argument, value)
    if isinstance(parts, str):
        return [f"{name}={encode(parts)}"]
    if not parts:
        return []
    if not explode:
        return [f"{name}={_join(parts, ',', encode, ',')}"]
    if _is_pairs(parts):
        return [f"{encode(each[0])}={encode(each[1])}" for each in parts]
    raise WrongArgument(argument, "is a list, which a cookie with `explode` cannot carry")
