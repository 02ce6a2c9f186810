"""What a service receives is what was passed: styles, bodies, and what cannot be carried."""

import json
import re
from collections.abc import Callable
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tool_servers.openapi.requests import Request, request_of
from bot.tool_servers.openapi.service import Choice, read_service
from bot.tool_servers.openapi.styles import WrongArgument
from bot.tool_servers.openapi.tools import manifest_of
from tests.support.http_service import document

BASE = "https://api.example.com/v1"


def request(
    operation: dict[str, Any], path: str = "/a", method: str = "POST", **arguments: Any
) -> Request:
    data = orjson.dumps(document((f"{method} {path}", operation)))
    manifest = manifest_of(read_service(data, BASE), Choice())
    return request_of(manifest, manifest.tools[0], arguments)


def parameter(place: str, style: str, *, explode: bool, **more: Any) -> dict[str, Any]:
    name = "the name"[: 8 if place in ("path", "query") else 3]
    made = {"name": name, "in": place, "style": style, "explode": explode, "required": True}
    return made | more


def sent(place: str, style: str, value: Any, *, explode: bool, **more: Any) -> str:
    """What stands in the request for the value."""
    given_ = parameter(place, style, explode=explode, **more)
    path = "/a/{the name}" if place == "path" else "/a"
    argument = "the_name" if place in ("path", "query") else "the"
    made = request({"parameters": [given_]}, path, "GET", **{argument: value})
    if place in ("path", "query"):
        assert made.url.isascii()
        assert made.url.startswith(f"{BASE}/a/" if place == "path" else f"{BASE}/a")
        rest = made.url.removeprefix(f"{BASE}/a")
        assert ("?" in rest) == (place == "query")
        return rest[1:]
    return made.headers["the" if place == "header" else "Cookie"]


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# What the receiver makes of it, by the rules of OpenAPI and RFC 6570.
def split_list(raw: str, delimiter: str) -> list[str]:
    return [unquote(each) for each in raw.split(delimiter)]


def pairs(raw: str, delimiter: str) -> dict[str, str]:
    split = [each.split("=") for each in raw.split(delimiter)]
    return {unquote(key): unquote(value) for key, value in split}


def alternating(items: list[str]) -> dict[str, str]:
    return dict(zip(items[::2], items[1::2], strict=True))


CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda each: each not in (".", ".."))
PLAIN = st.one_of(
    TEXT,
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
LISTS = st.lists(PLAIN, min_size=1, max_size=4)
OBJECTS = st.dictionaries(TEXT, PLAIN, min_size=1, max_size=4)
KEY = "the%20name"

PATHS: list[tuple[str, bool, Any, Callable[[str], Any]]] = [
    # style, explode, what is passed, how the receiver reads it
    ("simple", False, PLAIN, unquote),
    ("simple", False, LISTS, lambda raw: split_list(raw, ",")),
    ("simple", False, OBJECTS, lambda raw: alternating(split_list(raw, ","))),
    ("simple", True, OBJECTS, lambda raw: pairs(raw, ",")),
    ("label", False, PLAIN, lambda raw: unquote(raw[1:])),
    ("label", False, LISTS, lambda raw: split_list(raw[1:], ",")),
    ("label", True, LISTS, lambda raw: split_list(raw[1:], ".")),
    ("label", True, OBJECTS, lambda raw: pairs(raw[1:], ".")),
    ("matrix", False, PLAIN, lambda raw: unquote(raw.removeprefix(f";{KEY}="))),
    ("matrix", False, LISTS, lambda raw: split_list(raw.removeprefix(f";{KEY}="), ",")),
    (
        "matrix",
        True,
        LISTS,
        lambda raw: [unquote(each.split("=")[1]) for each in raw[1:].split(";")],
    ),
    ("matrix", True, OBJECTS, lambda raw: pairs(raw[1:], ";")),
]


def as_texts(value: Any) -> Any:
    if isinstance(value, list):
        return [text(each) for each in value]
    if isinstance(value, dict):
        return {key: text(each) for key, each in value.items()}
    return text(value)


def is_same(read: Any, passed: Any) -> bool:
    """Numbers may be written in several ways."""
    if isinstance(passed, bool | str):
        return bool(read == text(passed))
    if isinstance(passed, int | float):
        return float(read) == float(passed)
    if isinstance(passed, list):
        return len(read) == len(passed) and all(map(is_same, read, passed))
    return list(read) == list(passed) and all(is_same(read[key], passed[key]) for key in passed)


@pytest.mark.parametrize(("style", "explode", "values", "reader"), PATHS)
def test_what_is_passed_in_the_path_arrives(
    style: str,
    explode: bool,  # noqa: FBT001
    values: Any,
    reader: Callable[[str], Any],
) -> None:
    @given(values)
    def arrives(value: Any) -> None:
        assert is_same(reader(sent("path", style, value, explode=explode)), value)

    arrives()


def value_of(raw: str) -> str:
    """The one value of a query."""
    key, _, value = raw.partition("=")
    assert unquote(key) == "the name"
    return value


def without(delimiter: str, values: Any) -> Any:
    return values.filter(lambda value: delimiter not in "".join(map(text, value)))


def deep(raw: str) -> dict[str, str]:
    return {
        unquote_plus(name)[len("the name[") : -1]: unquote_plus(value)
        for name, _, value in (each.partition("=") for each in raw.split("&"))
    }


QUERIES: list[tuple[str, bool, Any, Callable[[str], Any]]] = [
    ("form", True, PLAIN, lambda raw: unquote_plus(value_of(raw))),
    (
        "form",
        True,
        LISTS,
        lambda raw: [value for _, value in parse_qsl(raw, keep_blank_values=True)],
    ),
    ("form", True, OBJECTS, lambda raw: dict(parse_qsl(raw, keep_blank_values=True))),
    ("form", False, LISTS, lambda raw: split_list(value_of(raw), ",")),
    ("form", False, OBJECTS, lambda raw: alternating(split_list(value_of(raw), ","))),
    ("spaceDelimited", False, without(" ", LISTS), lambda raw: split_list(value_of(raw), "%20")),
    ("pipeDelimited", False, without("|", LISTS), lambda raw: split_list(value_of(raw), "%7C")),
    (
        "deepObject",
        True,
        OBJECTS.filter(lambda value: {"[", "]"}.isdisjoint("".join(value))),
        deep,
    ),
]


@pytest.mark.parametrize(("style", "explode", "values", "reader"), QUERIES)
def test_what_is_passed_in_the_query_arrives(
    style: str,
    explode: bool,  # noqa: FBT001
    values: Any,
    reader: Callable[[str], Any],
) -> None:
    @given(values, st.booleans())
    def arrives(value: Any, reserved: bool) -> None:  # noqa: FBT001
        raw = sent("query", style, value, explode=explode, allowReserved=reserved)
        assert is_same(reader(raw), value)

    arrives()


JSON = st.recursive(
    PLAIN | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5
)


@given(JSON.filter(lambda value: value is not None))
def test_a_parameter_with_json_arrives(value: Any) -> None:
    content: Any = {"application/json": {"schema": {}}}
    raw = sent("query", "form", value, explode=True, content=content)
    assert orjson.loads(unquote(value_of(raw))) == value
    raw = sent("header", "simple", value, explode=True, content=content)
    assert raw.isascii()
    assert raw.isprintable()
    assert orjson.loads(raw) == value


HEADER = re.compile("[!-~]([ -~]*[!-~])?")


@given(PLAIN)
def test_a_header_arrives_or_is_refused(value: Any) -> None:
    as_text = text(value)
    if not HEADER.fullmatch(as_text):
        with pytest.raises(WrongArgument, match="is sent as a header"):
            sent("header", "simple", value, explode=False)
        return
    assert is_same(sent("header", "simple", value, explode=False), value)


@given(LISTS)
def test_a_cookie_arrives(value: Any) -> None:
    raw = sent("cookie", "form", value, explode=False)
    assert is_same(split_list(raw.removeprefix("the="), ","), value)
    assert ";" not in raw
    assert raw.isascii()


@pytest.mark.parametrize(
    ("place", "style", "explode", "value", "why"),
    [
        ("path", "simple", False, "", "`the_name` must not be empty, because it is a part of"),
        ("path", "simple", False, [""], "`the_name` must not be empty, because it is a part of"),
        ("path", "simple", False, [], "`the_name` must not be empty, because it is a part of"),
        ("path", "simple", False, "..", "`the_name` would change the path"),
        ("path", "simple", False, [["a"]], "`the_name` has a list or object inside"),
        ("path", "simple", False, [None], "`the_name` has null, which this parameter cannot"),
        ("query", "pipeDelimited", False, ["a|b"], "has an entry with '|', which separates"),
        ("query", "spaceDelimited", False, ["a b"], "has an entry with ' ', which separates"),
        ("query", "deepObject", True, {"a]": 1}, "has an empty key, or a key with brackets"),
        ("header", "simple", False, "a\r\nX: y", "must be letters, digits and signs of ASCII"),
        ("header", "simple", False, ["a,b"], "has an entry with ',', which separates"),
        ("header", "simple", False, [" a"], "has an entry that is empty, or begins or ends"),
        ("cookie", "form", True, ["a"], "is a list, which a cookie with `explode` cannot carry"),
        ("query", "form", True, "x" * 20_000, "`the_name` makes the address of the request too"),
    ],
)
def test_what_a_style_cannot_carry_is_refused(
    place: str,
    style: str,
    explode: bool,  # noqa: FBT001
    value: Any,
    why: str,
) -> None:
    with pytest.raises(WrongArgument) as found:
        sent(place, style, value, explode=explode)
    assert why in str(found.value)


def test_nested_values_and_defaults_of_styles() -> None:
    parameters = [
        {"name": "filter", "in": "query", "style": "deepObject"},
        {"name": "ids", "in": "query"},
        {"name": "none", "in": "query"},
        {"name": "X-Tags", "in": "header"},
        {"name": "sid", "in": "cookie"},
    ]
    tags: Any = {"X-Tags": ["a", "b"]}
    made = request(
        {"parameters": parameters},
        filter={"a": {"gte": 1}, "b": ["x", "y"]},
        ids=[1, 2],
        none=None,
        sid="1;2",
        **tags,
    )
    query = "filter%5Ba%5D%5Bgte%5D=1&filter%5Bb%5D%5B0%5D=x&filter%5Bb%5D%5B1%5D=y&ids=1&ids=2"
    assert made.url == f"{BASE}/a?{query}"
    assert made.headers == {
        "Accept": "application/json, */*;q=0.5",
        "X-Tags": "a,b",
        "Cookie": "sid=1%3B2",
    }


def test_empty_lists_and_objects_are_not_sent() -> None:
    places = [{"name": "a", "in": "query"}, {"name": "b", "in": "header"}]
    made = request({"parameters": [*places, {"name": "c", "in": "cookie"}]}, a=[], b={}, c=[])
    assert made.url == f"{BASE}/a"
    assert list(made.headers) == ["Accept"]


# --- Bodies --------------------------------------------------------------------------------------


def body(content_type: str, value: Any, **media: Any) -> tuple[str, bytes]:
    operation = {"requestBody": {"content": {content_type: media}}}
    made = request(operation, body=value)
    assert made.body is not None
    return made.headers["Content-Type"], made.body


@given(JSON)
def test_a_json_body_arrives(value: Any) -> None:
    kind, sent_ = body("application/vnd.api+json", value)
    assert kind == "application/vnd.api+json"
    assert orjson.loads(sent_) == value


@given(st.dictionaries(TEXT, PLAIN | LISTS, max_size=4))
def test_a_form_arrives(value: dict[str, Any]) -> None:
    kind, sent_ = body("application/x-www-form-urlencoded", value)
    assert kind == "application/x-www-form-urlencoded"
    read: dict[str, list[str]] = {}
    for key, each in parse_qsl(sent_.decode(), keep_blank_values=True):
        read.setdefault(key, []).append(each)
    lists = {key: each if isinstance(each, list) else [each] for key, each in value.items()}
    assert is_same(read, lists)


def test_fields_of_a_form_have_styles_of_their_own() -> None:
    schema = {"properties": {"meta": {"type": "object"}, "tags": {"type": "array"}}}
    encoding = {
        "tags": {"style": "pipeDelimited"},
        "deep": {"style": "deepObject"},
    }
    value: Any = {
        "meta": {"a": 1},
        "tags": ["x", "y"],
        "deep": {"k": [1]},
        "other": {"b": []},
        "n": None,
    }
    _, sent_ = body("application/x-www-form-urlencoded", value, schema=schema, encoding=encoding)
    assert unquote_plus(sent_.decode()) == ('meta={"a":1}&tags=x|y&deep[k][0]=1&other={"b":[]}')


def test_a_multipart_body_has_a_part_for_each_value() -> None:
    schema = {"properties": {"file": {"type": "string", "format": "binary"}}}
    encoding = {"notes": {"contentType": "text/markdown"}}
    value = {
        "file": "a,b\n1,2",
        "notes": "# Grüße",
        "meta": {"a": 1},
        'q"\r\n': ["x", 2],
        "no": None,
    }
    kind, sent_ = body("multipart/form-data", value, schema=schema, encoding=encoding)
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + sent_, policy=HTTP)
    parts = [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get("Content-Type"),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]
    assert parts == [
        ("file", "file", "application/octet-stream", b"a,b\n1,2"),
        ("notes", None, "text/markdown", "# Grüße".encode()),
        ("meta", None, "application/json", b'{"a":1}'),
        ("q%22%0D%0A", None, None, b"x"),
        ("q%22%0D%0A", None, None, b"2"),
    ]


def test_a_text_body_arrives() -> None:
    assert body("text/plain", "Grüße") == ("text/plain; charset=utf-8", "Grüße".encode())
    assert body("application/xml", "<a/>")[1] == b"<a/>"
    assert body("*/*", {"a": 1}) == ("application/json", b'{"a":1}')


def test_the_best_of_several_bodies_is_taken() -> None:
    content: Any = {
        "text/plain": {},
        "multipart/form-data": {},
        "application/json": {},
        "image/png": {},
    }
    made = request({"requestBody": {"content": content}}, body=["a"])
    assert made.headers["Content-Type"] == "application/json"


def test_a_form_that_is_no_object_is_refused() -> None:
    with pytest.raises(WrongArgument, match="`body` must be an object, because"):
        body("multipart/form-data", "x")
    with pytest.raises(WrongArgument, match="has a list or object inside"):
        body(
            "application/x-www-form-urlencoded",
            {"a": [["x"]]},
            encoding={"a": {"style": "form", "explode": False}},
        )
