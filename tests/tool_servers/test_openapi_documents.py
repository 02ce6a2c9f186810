"""OpenAPI documents: what is read of them, and what is wrong with them."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from bot.tool_servers.openapi.document_text import WrongDocument, parse
from bot.tool_servers.openapi.schemas import Budget
from bot.tool_servers.openapi.service import Choice, read_service
from bot.tool_servers.openapi.tools import Given, manifest_of, tools_of
from tests.support.http_service import document

BASE = "https://api.example.com/v1"

YAML = """
openapi: 3.0.3
info: {title: Pets, version: 1.0}
servers:
  - url: https://{region}.example.com/{base}/
    variables:
      region: {default: eu}
      base: {default: v2}
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer, minimum: 1}}
    get:
      operationId: showPet
      summary: Show a pet
      description: Shows one pet. It has a name.
      parameters:
        - {name: on, in: query, description: When, schema: {type: string, enum: [yes, no]}}
    put:
      summary: Replace a pet
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Pet'}
components:
  schemas:
    Pet:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, nullable: true, maxLength: 40}
        weight: {type: number, minimum: 0, exclusiveMinimum: true}
        parent: {$ref: '#/components/schemas/Pet'}
"""


def read(data: dict[str, Any], base: str = BASE) -> Any:
    return read_service(orjson.dumps(data), base)


def problem(data: dict[str, Any] | bytes, base: str = BASE, choice: Choice | None = None) -> str:
    given = data if isinstance(data, bytes) else orjson.dumps(data)
    with pytest.raises(WrongDocument) as found:
        tools_of(read_service(given, base), choice or Choice())
    return str(found.value)


def schema_of(schema: Any, **more: Any) -> Any:
    """The schema of the argument `a`."""
    parameter = {"name": "a", "in": "query", "schema": schema}
    data = document(("GET /a", {"parameters": [parameter]}), **more)
    (tool,) = tools_of(read(data), Choice())
    made = dict(tool.input_schema["properties"]["a"])
    return made | ({"$defs": tool.input_schema["$defs"]} if "$defs" in tool.input_schema else {})


def test_a_yaml_document_becomes_tools() -> None:
    service = read_service(YAML.encode())
    assert (service.title, service.version) == ("Pets", "1.0")
    assert service.base_url == "https://eu.example.com/v2"
    show, replace = tools_of(service, Choice())
    assert (show.name, show.title, show.description) == (
        "showPet",
        "Show a pet",
        "Show a pet. Shows one pet. (GET /pets/{id})",
    )
    assert (show.read_only, show.idempotent, show.destructive) == (True, True, False)
    assert show.input_schema == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "on": {"type": "string", "enum": ["yes", "no"], "description": "When"},
        },
        "additionalProperties": False,
        "required": ["id"],
    }
    assert replace.name == "put_pets_id"
    assert (replace.read_only, replace.idempotent, replace.destructive) == (False, True, True)
    assert replace.input_schema == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "body": {"$ref": "#/$defs/Pet"},
        },
        "additionalProperties": False,
        "required": ["id", "body"],
        "$defs": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": ["string", "null"], "maxLength": 40},
                    "weight": {"type": "number", "exclusiveMinimum": 0},
                    "parent": {"$ref": "#/$defs/Pet"},
                },
                "required": ["name"],
            }
        },
    }


def test_json_and_yaml_are_read_alike() -> None:
    data = document(("GET /a", {"tags": ["x"], "deprecated": True}))
    text = "openapi: '3.1.0'\ninfo: {title: Pets, version: '1'}\npaths:\n  /a:\n    get: &get\n"
    yaml = f"{text}      tags: [x]\n      deprecated: true\n".encode()
    assert parse(yaml) == data
    assert tools_of(read_service(yaml, BASE), Choice())[0].description == "Deprecated. (GET /a)"


def test_aliases_and_merges_of_yaml_are_read() -> None:
    text = b"a: &a {x: 1, y: [2.5, null, ~]}\nb: *a\nc: {<<: *a, x: 'no'}\n"
    assert parse(text) == {
        "a": {"x": 1, "y": [2.5, None, None]},
        "b": {"x": 1, "y": [2.5, None, None]},
        "c": {"x": "no", "y": [2.5, None, None]},
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "The document is not valid JSON: unexpected end of data"),
        (b"a: [", "The document is not valid YAML in line 2"),
        (b"a: 1\n---\nb: 2", "The document begins a second document; write only one (line 2)"),
        (b"a: !!python/object:os.system {}", "The document has no key `openapi`"),
        (b"a: !!python/name:os.system x", "has the tag tag:yaml.org,2002:python/name:os.system"),
        (b"a: 1\na: 2", "The document has the key a twice (line 2)"),
        (b"? [1]\n: 2", "The document has a key that is not a text (line 1)"),
        (b"- 1", "The document must be an object with the key `openapi`, in JSON or YAML"),
        (b"", "The document must be an object with the key `openapi`, in JSON or YAML"),
        (b"a: *b", "The document repeats b, which is not complete (line 1)"),
        (b"a: &b [*b]", "The document repeats b, which is not complete (line 1)"),
        (b"a: \xff", "The document is not UTF-8 in line 1"),
        (b'{"swagger": "2.0"}', "swagger: is version 2. Convert the document to OpenAPI 3"),
        (b'{"openapi": "4.0"}', "openapi: is 4.0; only 3.0 and 3.1 can be read"),
    ],
)
def test_a_text_that_is_no_document_gets_an_error(text: bytes, why: str) -> None:
    assert why in problem(text)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"paths": []}, "paths: must be an object"),
        ({"paths": {"a": {}}}, "paths.a: must begin with a slash"),
        ({"paths": {"/a": {"get": []}}}, "paths./a.get: must be an object"),
        ({"paths": {"/a": {"get": {"tags": "x"}}}}, "paths./a.get.tags: must be a list"),
        (
            {"paths": {"/a": {"get": {"parameters": [{"in": "query"}]}}}},
            "paths./a.get.parameters.0.name: is missing",
        ),
        (
            {"paths": {"/a": {"get": {"parameters": [{"in": "body", "name": "b"}]}}}},
            "paths./a.get.parameters.0.in: must be path, query, header or cookie",
        ),
        (
            {"paths": {"/a": {"get": {"parameters": [{"$ref": "other.yml#/a"}]}}}},
            (
                "paths./a.get.parameters.0.$ref: other.yml#/a is outside of this document. Put all "
                "parts into one document"
            ),
        ),
        (
            {"paths": {"/a": {"$ref": "https://evil.example/a.json"}}},
            (
                "paths./a.$ref: https://evil.example/a.json is outside of this document. Put all "
                "parts into one document"
            ),
        ),
        ({"paths": {"/a": {"$ref": "#/paths/~1a"}}}, "paths./a: is a circle of references"),
        ({"paths": {"/a": {"$ref": "#/b"}}}, "paths./a.$ref: #/b does not exist"),
        ({"paths": {"/a": {"$ref": "#b"}}}, "paths./a.$ref: #b must begin with #/"),
        (
            {"paths": {"/a/{b}": {"get": {}}}},
            "paths./a/{b}.get: has no parameter for {b} in its path",
        ),
        ({"paths": {}}, "paths: has no operation that matches the choice"),
    ],
)
def test_a_wrong_document_gets_an_error_that_names_the_place(
    data: dict[str, Any], why: str
) -> None:
    assert why in problem({"openapi": "3.1.0", **data})


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "file"}, ".schema.type: must be one of array, boolean, integer, null, number"),
        ({"properties": []}, ".schema.properties: must be an object"),
        ({"required": "a"}, ".schema.required: must be a list"),
        ({"items": "a"}, ".schema.items: must be an object"),
        ({"minimum": "a"}, ".schema.minimum: must be a number"),
        ({"allOf": [[]]}, ".schema.allOf.0: must be an object"),
    ],
)
def test_a_wrong_schema_gets_an_error_that_names_the_place(schema: Any, why: str) -> None:
    parameter = {"name": "a", "in": "query", "schema": schema}
    assert why in problem(document(("GET /a", {"parameters": [parameter]})))


@pytest.mark.parametrize(
    ("servers", "why"),
    [
        ([], "servers: is missing. Pass the base address of the service"),
        ([{"url": "/v1"}], "servers.0.url: '/v1' is relative. Pass the base address"),
        (
            [{"url": "https://{x}.example.com"}],
            "servers.0.url: has the variable {x} without a default. Pass the base address",
        ),
        ([{"url": "ftp://example.com"}], "'ftp://example.com' is no usable base address"),
        ([{"url": "https://a@example.com"}], "'https://a@example.com' is no usable base address"),
        ([{"url": "https://example.com/?a"}], "'https://example.com/?a' is no usable base"),
        ([{"url": "https://example.com:x"}], "'https://example.com:x' has a wrong port"),
    ],
)
def test_a_wrong_server_gets_an_error(servers: list[Any], why: str) -> None:
    assert why in problem(document(("GET /a", {}), servers=servers), base="")


def test_a_relative_server_belongs_to_the_address_of_the_document() -> None:
    data = orjson.dumps(document(("GET /a", {}), servers=[{"url": "../v3"}]))
    service = read_service(data, address="https://api.example.com/docs/openapi.json")
    assert service.base_url == "https://api.example.com/v3"


def test_operations_are_chosen_by_id_label_tag_and_method() -> None:
    data = document(
        ("GET /a", {"operationId": "listA", "tags": ["x"]}),
        ("POST /a", {"tags": ["x"]}),
        ("DELETE /a", {"tags": ["y"]}),
    )

    def names(choice: Choice) -> list[str]:
        return [each.name for each in tools_of(read(data), choice)]

    assert names(Choice()) == ["listA", "post_a", "delete_a"]
    assert names(Choice(operations=["listA", "DELETE /a"])) == ["listA", "delete_a"]
    assert names(Choice(tags=["x"])) == ["listA", "post_a"]
    assert names(Choice(tags=["x"], methods=["post"])) == ["post_a"]
    wrong = "paths: has no operation 'listB'"
    assert problem(data, choice=Choice(operations=["listB"])) == wrong


def test_names_of_tools_and_arguments_are_valid_and_unique() -> None:
    parameters = [
        {"name": "id", "in": "query"},
        {"name": "filter[a]", "in": "query"},
        {"name": "filter(a)", "in": "query"},
        {"name": "body", "in": "query"},
        {"name": "pages", "in": "query"},
        {"name": "日本", "in": "query"},
        {"name": "id", "in": "header"},
        {"name": "Authorization", "in": "header"},
    ]
    long = "list/" + "x" * 200
    data = document(
        ("GET /a", {"operationId": "pets.list/all", "parameters": parameters}),
        ("GET /b", {"operationId": "pets list all"}),
        ("GET /c", {"operationId": long}),
    )
    first, second, third = tools_of(read(data), Choice())
    assert (first.name, second.name) == ("pets_list_all", "pets_list_all_2")
    assert len(third.name) == 56
    assert list(first.input_schema["properties"]) == [
        *("id", "filter_a", "filter_a_query", "body_query", "pages_query", "query", "id_header")
    ]


def test_a_post_that_takes_something_away_is_destructive() -> None:
    data = document(("POST /pets", {}), ("POST /pets/delete", {}), ("PATCH /pets", {}))
    assert [each.destructive for each in tools_of(read(data), Choice())] == [False, True, True]


def test_operations_that_cannot_be_tools_are_left_out_with_a_reason() -> None:
    binary = {"required": True, "content": {"application/octet-stream": {}}}
    data = document(
        ("GET /a", {}),
        ("POST /b", {"requestBody": binary}),
        ("GET /c", {"servers": [{"url": "https://other.example.com"}]}),
        ("GET /d", {"parameters": [{"name": "Host", "in": "header"}]}),
        ("GET /e", {"parameters": [{"name": "q", "in": "querystring"}]}),
        ("GET /f", {"parameters": [{"name": "q", "in": "query", "content": {"text/csv": {}}}]}),
    )
    manifest = manifest_of(read(data), Choice())
    assert [each.name for each in manifest.tools] == ["get_a"]
    assert manifest.skipped == (
        "POST /b: its body is application/octet-stream",
        "GET /c: it is on a server of its own",
        "GET /d: the header 'Host' cannot be a parameter",
        "GET /e: a parameter is the whole query",
        "GET /f: the parameter 'q' is not JSON",
    )
    wrong = "paths: none of the operations can be a tool: POST /b: its body is"
    assert wrong in problem(data, choice=Choice(methods=["post"]))


def test_the_credential_is_no_argument() -> None:
    parameters = [
        {"name": "X-Api-Key", "in": "header", "required": True},
        {"name": "key", "in": "query", "required": True},
        {"name": "q", "in": "query"},
    ]
    held = frozenset({("header", "x-api-key"), ("query", "key")})
    data = document(("GET /a", {"parameters": parameters}))
    (tool,) = tools_of(read(data), Choice(), Given(held=held))
    assert list(tool.input_schema["properties"]) == ["q"]


# --- Schemas -------------------------------------------------------------------------------------


def test_keywords_of_a_schema_are_kept_as_json_schema_has_them() -> None:
    schema = {
        "oneOf": [{"type": "string", "format": "date"}, {"type": ["integer", "null"]}],
        "description": "Line\n\n one",
        "x-internal": 1,
        "discriminator": {"propertyName": "a"},
        "default": "b",
        "examples": ["c", "d"],
        "deprecated": True,
    }
    assert schema_of(schema) == {
        "anyOf": [{"type": "string", "format": "date"}, {"type": ["integer", "null"]}],
        "description": "Line one",
        "default": "b",
        "examples": ["c"],
        "deprecated": True,
    }


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"allOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"maximum": 5, "exclusiveMaximum": True}, {"exclusiveMaximum": 5}),
        ({"maximum": 5, "exclusiveMaximum": False}, {"maximum": 5}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
    ],
)
def test_a_schema_of_30_becomes_one_of_today(schema: Any, made: Any) -> None:
    assert schema_of(schema, openapi="3.0.3") == made


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (0, 2, 1)])
def test_one_of_beside_any_of_means_both(order: tuple[int, ...]) -> None:
    """Whichever comes first in the document."""
    given = [
        ("oneOf", [{"required": ["a"]}, {"required": ["b"]}]),
        ("anyOf", [{"required": ["c"]}, {"required": ["d"]}]),
        ("allOf", [{"type": "object"}]),
    ]
    made = schema_of(dict(given[each] for each in order))
    assert made.keys() == {"anyOf", "allOf"}
    alternatives = [made["anyOf"], *(each["anyOf"] for each in made["allOf"] if "anyOf" in each)]
    assert sorted(alternatives, key=str) == [given[0][1], given[1][1]]
    assert {"type": "object"} in made["allOf"]


def test_beside_a_reference_only_31_has_more() -> None:
    components = {"schemas": {"A": {"type": "string", "description": "A"}}}
    schema = {"$ref": "#/components/schemas/A", "description": "B", "maxLength": 3}
    both = {"type": "string", "description": "B", "maxLength": 3}
    assert schema_of(schema, components=components) == both
    alone = {"type": "string", "description": "A"}
    assert schema_of(schema, components=components, openapi="3.0.0") == alone


def test_what_looks_like_a_reference_in_data_stays_data() -> None:
    value = {"$ref": "#/$defs/Nothing"}
    assert schema_of({"default": value, "enum": [value]}) == {"default": value, "enum": [value]}


# --- Hostile documents ---------------------------------------------------------------------------


def test_references_that_multiply_stay_small() -> None:
    levels = {
        f"S{n}": {
            "type": "object",
            "properties": {
                name: {"$ref": f"#/components/schemas/S{n + 1}"} for name in ("a", "b", "c")
            },
        }
        for n in range(60)
    }
    components = {"schemas": {**levels, "S60": {"type": "string"}}}
    made = schema_of({"$ref": "#/components/schemas/S0"}, components=components)
    assert len(made["$defs"]) == 60
    assert len(orjson.dumps(made)) < 20_000


def test_circles_of_all_kinds_end() -> None:
    schemas = {
        "A": {"$ref": "#/components/schemas/A"},
        "B": {"allOf": [{"$ref": "#/components/schemas/C"}, {"$ref": "#/components/schemas/B"}]},
        "C": {"items": {"$ref": "#/components/schemas/B"}},
    }
    components = {"schemas": schemas}
    a = schema_of({"$ref": "#/components/schemas/A"}, components=components)
    assert a == {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    b = schema_of({"$ref": "#/components/schemas/B"}, components=components)
    assert b["$defs"]["B"]["allOf"][0] == {"items": {"$ref": "#/$defs/B"}}


def test_a_long_chain_of_references_is_not_nested_deeply() -> None:
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {"a": {"$ref": f"#/components/schemas/S{n + 1}"}}}
        for n in range(300)
    }
    components = {"schemas": schemas | {"S300": {"type": "string"}}}
    made = schema_of({"$ref": "#/components/schemas/S0"}, components=components)
    assert orjson.loads(orjson.dumps(made)) == made


def test_a_schema_that_is_too_large_loses_texts_and_then_its_inner_parts() -> None:
    def wide(n: int) -> dict[str, Any]:
        inner = {"$ref": f"#/components/schemas/S{n + 1}"}
        words = {"type": "string", "description": "word " * 50}
        return {
            "type": "object",
            "properties": {f"p{n}_{k}": words for k in range(120)} | {"z": inner},
        }

    components = {"schemas": {f"S{n}": wide(n) for n in range(10)} | {"S10": {}}}
    made = schema_of({"$ref": "#/components/schemas/S0"}, components=components)
    assert len(orjson.dumps(made)) < 20_000
    assert "description" not in made["properties"]["p0_0"]
    assert orjson.dumps(made).count(b"S6: its parts are left out here.") == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["x" * 1000] * 900},
        {"properties": {f"p{n}": {} for n in range(5000)}},
        {"required": [f"p{n}" for n in range(5000)]},
        {"allOf": [{}] * 5000},
    ],
)
def test_a_schema_that_stays_too_large_is_no_tool(schema: Any) -> None:
    parameter = {"name": "a", "in": "query", "schema": schema}
    assert "the schema of its arguments is too large" in problem(
        document(("GET /a", {"parameters": [parameter]}))
    )


def test_a_document_is_bounded_in_depth_size_and_entries() -> None:
    deep = b'{"openapi": "3.1.0", "x": ' + b"[" * 200 + b"]" * 200 + b"}"
    assert problem(deep) == "The document is nested more than 100 levels deep"
    assert "not valid JSON" in problem(b'{"x":' * 5000 + b"1" + b"}" * 5000)
    assert "nested more than 100 levels" in problem(b"x: " + b"[" * 200 + b"]" * 200)
    assert "the limit is 16777216" in problem(b" " * (16 * 1024 * 1024 + 1))
    assert "more than 1000000 entries" in problem(b'{"x": [' + b"1," * 1_000_000 + b"1]}")


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 1000000 entries" in problem("\n".join(lines).encode())
    nested = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200))]
    assert "nested more than 100 levels" in problem("\n".join(nested).encode())


def test_many_operations_with_large_schemas_end_in_bounded_work() -> None:
    parts = {f"p{n}": {"$ref": f"#/components/schemas/S{n}"} for n in range(1500)}
    small = {f"S{n}": {"type": "object", "properties": {"x": {}}} for n in range(1500)}
    schema = {"$ref": "#/components/schemas/Large"}
    body = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    data = document(
        *((f"POST /{n}", body) for n in range(400)),
        components={"schemas": small | {"Large": {"properties": parts}}},
    )
    budget = Budget(50_000)
    with pytest.raises(WrongDocument, match="has too large schemas"):
        manifest_of(read(data), Choice(), budget=budget)
    assert budget.left < 0


def test_too_many_operations_are_refused() -> None:
    data = document(*((f"GET /{n}", {}) for n in range(501)))
    assert "has 501 such operations; at most 500 can be tools" in problem(data)
    data = document(*((f"GET /{n}", {}) for n in range(3001)))
    assert problem(data) == "paths: has 3001 operations; the limit is 3000"


def test_the_document_of_github_becomes_tools(data: Path) -> None:
    text = gzip.decompress((data / "github-openapi.json.gz").read_bytes())
    manifest = manifest_of(read_service(text, "https://api.github.com"), Choice())
    assert (len(manifest.tools), manifest.skipped) == (92, ())
    sizes = sorted(len(orjson.dumps(each.input_schema)) for each in manifest.tools)
    assert (sizes[46] < 1500, sizes[-1] < 20_000) == (True, True)
