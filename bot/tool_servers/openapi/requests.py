"""The request for a call of a tool, from its arguments. Nothing is sent here."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from bot.tool_servers.openapi import styles
from bot.tool_servers.openapi.manifest import BODY, Body, Field, Manifest, Parameter, Tool
from bot.tool_servers.openapi.styles import WrongArgument

LONGEST_URL = 16_000
LONGEST_HEADERS = 16_000


@dataclass(frozen=True)
class Request:
    """`url`: percent-encoded. `headers`: without the credential."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def with_header(self, name: str, value: str) -> "Request":
        return replace(self, headers={**self.headers, name: value})

    def with_query(self, name: str, value: str) -> "Request":
        """The request with one parameter of its query replaced."""
        path, _, query = self.url.partition("?")
        key = styles.encode(name)
        parts = [each for each in query.split("&") if each and each.split("=")[0] != key]
        return replace(self, url=f"{path}?{'&'.join([*parts, f'{key}={styles.encode(value)}'])}")


def request_of(manifest: Manifest, tool: Tool, arguments: Mapping[str, Any]) -> Request:
    """The request. Raise WrongArgument. The arguments fit the tool's schema."""
    given = {
        each: arguments[each.argument]
        for each in tool.parameters
        if arguments.get(each.argument) is not None
    }
    path, query = _path(tool, given), _query(given)
    url = f"{manifest.base_url}{path}{'?' if query else ''}{'&'.join(query)}"
    if len(url) > LONGEST_URL:
        raise WrongArgument(_longest(given), "makes the address of the request too long")
    headers = {"Accept": tool.accept} | _headers(given)
    if sum(map(len, headers.values())) > LONGEST_HEADERS:
        raise WrongArgument(_longest(given), "makes the headers of the request too long")
    if tool.body is None or BODY not in arguments:
        return Request(tool.method, url, headers)
    content_type, body = _body(tool.body, arguments[BODY])
    return Request(tool.method, url, headers | {"Content-Type": content_type}, body)


def _longest(given: Mapping[Parameter, Any]) -> str:
    sizes = {each.argument: len(str(value)) for each, value in given.items()}
    return max(sizes, key=lambda name: sizes[name])


def _path(tool: Tool, given: Mapping[Parameter, Any]) -> str:
    values = {
        each.name: styles.in_path(each.argument, each.name, value, each.style, explode=each.explode)
        for each, value in given.items()
        if each.place == "path"
    }
    pieces = []
    for n, piece in enumerate(tool.path.replace("}", "{").split("{")):
        if n % 2 == 0:
            pieces.append(quote(piece, safe="/:@!$&'()*+,;=~%"))
        elif piece in values:
            pieces.append(values[piece])
        else:
            raise WrongArgument(piece, "is missing")
    path = "".join(pieces)
    if not {".", ".."}.isdisjoint(path.split("/")):
        reason = "would change the path: it must not be `.` or `..`"
        raise WrongArgument(next(each.argument for each in given if each.place == "path"), reason)
    return path


def _query(given: Mapping[Parameter, Any]) -> list[str]:
    return [
        part
        for each, value in given.items()
        if each.place == "query"
        for part in styles.in_query(
            each.argument,
            each.name,
            value,
            each.style,
            explode=each.explode,
            allow_reserved=each.allow_reserved,
        )
    ]


def _headers(given: Mapping[Parameter, Any]) -> dict[str, str]:
    made = {
        each.name: styles.in_header(each.argument, value, each.style, explode=each.explode)
        for each, value in given.items()
        if each.place == "header" and (each.style == "json" or value not in ([], {}))
    }
    cookies = [
        cookie
        for each, value in given.items()
        if each.place == "cookie"
        for cookie in styles.in_cookie(
            each.argument, each.name, value, each.style, explode=each.explode
        )
    ]
    return made | ({"Cookie": "; ".join(cookies)} if cookies else {})


# --- Bodies --------------------------------------------------------------------------------------


def _body(body: Body, value: Any) -> tuple[str, bytes]:
    """The content type, and the body."""
    if body.kind == "json":
        kind = body.content_type
        return "application/json" if "*" in kind else kind, styles.json_text(value).encode()
    if body.kind == "text":
        text = value if isinstance(value, str) else styles.json_text(value)
        charset = "" if "charset" in body.content_type else "; charset=utf-8"
        return f"{body.content_type.replace('*', 'plain')}{charset}", text.encode()
    if not isinstance(value, dict):
        raise WrongArgument(BODY, "must be an object, because it is sent as a form")
    if body.kind == "form":
        return "application/x-www-form-urlencoded", _form(body, value)
    return _multipart(body, value)


def _form(body: Body, value: Mapping[str, Any]) -> bytes:
    parts: list[str] = []
    for name, each in value.items():
        known = body.fields.get(name, Field())
        # A form has no null. A field without a style of its own is written as JSON if nested.
        nested = any(
            isinstance(one, list | dict) for one in (each if isinstance(each, list) else [each])
        )
        style = "json" if nested and known == Field() else known.style
        if each is not None:
            parts += styles.in_query(f"{BODY}.{name}", name, each, style, explode=known.explode)
    return "&".join(parts).encode()


def _multipart(body: Body, value: Mapping[str, Any]) -> tuple[str, bytes]:
    boundary = secrets.token_hex(16)
    parts = [
        _part(boundary, name, one, body.fields.get(name, Field()))
        for name, each in value.items()
        for one in (each if isinstance(each, list) else [each])
        if one is not None
    ]
    return (
        f"multipart/form-data; boundary={boundary}",
        b"".join([*parts, f"--{boundary}--\r\n".encode()]),
    )


def _part(boundary: str, name: str, value: Any, known: Field) -> bytes:
    is_nested = isinstance(value, list | dict)
    text = styles.json_text(value) if is_nested else styles.scalar(f"{BODY}.{name}", value)
    kind = known.content_type or ("application/json" if is_nested else "")
    quoted = _field_name(name)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{quoted}"'
    if known.is_file:
        head += f'; filename="{quoted}"'
        kind = kind or "application/octet-stream"
    if kind:
        head += f"\r\nContent-Type: {kind}"
    return f"{head}\r\n\r\n{text}\r\n".encode()


def _field_name(name: str) -> str:
    """As browsers write the name of a field."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
