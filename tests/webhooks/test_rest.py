"""`POST /api/v1/<operation>`: who may call, what is refused, and its description."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS31Validator

from bot.operations import OPERATIONS
from store.engine.transaction import Tx
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Surface


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_agent_registers_and_is_listed(surface: Surface) -> None:
    token = await surface.token("ada")
    made = await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    assert made.status == 200
    listed = await surface.call(token, "list_agents")
    assert [agent["id"] for agent in listed.data["agents"]] == ["ada"]
    assert listed.data["as_of"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer hubbub_0123_nobodys"},
        {"Authorization": "Bearer hubbub_é_é"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/api/v1/list_agents", "/api/v1/nothing", "/mcp"])
@ON_SQLITE
async def test_without_a_known_token_there_is_nothing_to_see(
    surface: Surface, path: str, headers: dict[str, str]
) -> None:
    answer = await surface.send("POST", path, json={}, headers=headers)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith(
        'Bearer realm="hubbub", resource_metadata='
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nope", 404, "GET /nope: this address does not exist. GET / lists them."),
        ("POST", "/healthz", 405, "POST /healthz: this address accepts only GET, HEAD."),
    ],
)
@ON_SQLITE
async def test_a_wrong_address_or_method_is_named(
    surface: Surface, method: str, path: str, status: int, message: str
) -> None:
    answer = await surface.send(method, path)
    error = {"code": "bad_request", "message": message, "details": {}}
    assert (answer.status, answer.data) == (status, {"error": error})


@ON_SQLITE
async def test_a_revoked_token_opens_nothing(surface: Surface) -> None:
    token = await surface.token()

    async def revoke(tx: Tx) -> None:
        q = "UPDATE credentials SET revoked_at = 1 WHERE installation_id = :i"
        await tx.run(q, i=surface.installation_id)

    await surface.store.write(revoke)
    assert (await surface.call(token, "list_agents")).code == "unauthenticated"


@ON_SQLITE
async def test_a_token_with_a_letter_changed_opens_nothing(surface: Surface) -> None:
    token = await surface.token()
    changed = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert (await surface.call(changed, "list_agents")).code == "unauthenticated"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b"[" * 100_000, 400, "bad_request"),
        (b" " * (4 * 2**20 + 1), 413, "too_large"),
        (b'{"bogus": 1}', 422, "invalid_arguments"),
        (b'{"limit": 0}', 422, "invalid_arguments"),
        (b'{"limit": 1e400}', 422, "invalid_arguments"),
        (b'{"capability": "\\ud800"}', 422, "invalid_arguments"),
    ],
    ids=lambda given: repr(given[:20]) if isinstance(given, bytes) else str(given),
)
@ON_SQLITE
async def test_arguments_that_do_not_fit_are_refused_with_the_reason(
    surface: Surface, body: bytes, status: int, code: str
) -> None:
    async def sent() -> AsyncIterator[bytes]:
        yield body

    headers = bearer(await surface.token())
    answer = await surface.send("POST", "/api/v1/list_agents", data=sent(), headers=headers)
    assert (answer.status, answer.code) == (status, code)


@ON_SQLITE
async def test_an_unknown_argument_names_those_there_are(surface: Surface) -> None:
    answer = await surface.call(await surface.token(), "list_agents", bogus=1)
    error = answer.data["error"]
    assert error["message"].endswith(
        "Its arguments: system?, status?, capability?, role?, parent?, limit?, cursor?."
    )
    assert [each["argument"] for each in error["details"]["errors"]] == ["bogus"]


@ON_SQLITE
async def test_an_unknown_operation_names_those_there_are_and_the_likeliest(
    surface: Surface,
) -> None:
    token = await surface.token()
    answer = await surface.call(token, "make_coffee")
    assert (answer.status, answer.code) == (404, "unknown_operation")
    assert "list_agents" in answer.data["error"]["details"]["operations"]
    assert "did you mean" not in answer.data["error"]["message"]
    answer = await surface.call(token, "claim_tsk")
    assert (
        "There is no operation 'claim_tsk' (did you mean claim_task?)."
        in (answer.data["error"]["message"])
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/webhooks/github", 405), ("DELETE", "/healthz", 405)],
)
@ON_SQLITE
async def test_a_wrong_address_is_refused_in_the_same_shape(
    surface: Surface, method: str, path: str, status: int
) -> None:
    answer = await surface.send(method, path)
    assert (answer.status, answer.code) == (status, "bad_request")


async def test_the_same_idempotency_key_is_answered_alike_and_does_it_once(
    surface: Surface,
) -> None:
    token, other_token = await surface.token("ada"), await surface.token("bob")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    await surface.call(other_token, "register_agent", agent_id="bob", name="Bob")

    async def sent(body: str) -> Any:
        given = {"to": "bob", "body": body}
        headers = bearer(token) | {"Idempotency-Key": "once"}
        return await surface.send("POST", "/api/v1/send_message", json=given, headers=headers)

    first, second, other = await sent("one"), await sent("one"), await sent("two")
    assert first.status == 200, first.data
    assert second.data == first.data
    assert (other.status, other.code) == (409, "key_reused")
    q = "SELECT id FROM messages WHERE installation_id = :i"
    assert len(await surface.rows(q)) == 1


@ON_SQLITE
async def test_every_operation_and_every_reference_is_in_the_description(surface: Surface) -> None:
    document = (await surface.send("GET", "/api/v1/openapi.json")).data
    paths = {f"/api/v1/{name}" for name in OPERATIONS}
    assert document["paths"].keys() == paths
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        OAS31Validator.check_schema(schema)
    references = {each.removeprefix("#/components/schemas/") for each in refs(document)}
    assert references <= schemas.keys()


async def test_results_are_as_the_description_says(surface: Surface) -> None:
    document = (await surface.send("GET", "/api/v1/openapi.json")).data
    token = await surface.token("ada")
    made = await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    refused = await surface.call(token, "get_agent", agent_id="nobody")
    post = document["paths"]["/api/v1/register_agent"]["post"]
    for status, answer in (("200", made), ("default", refused)):
        schema = post["responses"][status]["content"]["application/json"]["schema"]
        Draft202012Validator(document | schema).validate(answer.data)


def refs(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("$ref"), str):
            yield found["$ref"]
        for each in found.values():
            yield from refs(each)
    elif isinstance(found, list):
        for each in found:
            yield from refs(each)


@ON_SQLITE
async def test_the_description_needs_no_token_and_is_json(surface: Surface) -> None:
    answer = await surface.send("GET", "/api/v1/openapi.json")
    assert answer.status == 200
    assert json.dumps(answer.data)
