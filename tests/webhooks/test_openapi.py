"""The server against its OpenAPI document: right and wrong requests, made by schemathesis."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.operations import OPERATIONS
from tests.conftest import sqlite_copy
from tests.support.sampling import examples
from tests.support.served_in_thread import Served, serve_in_thread
from webhooks.rest import document

SCHEMA = schemathesis.openapi.from_dict(document())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Nobody waits in this test.
NO_WAIT = {"wait_s": 0}


@pytest.fixture(scope="module")
def server(
    migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("openapi") / "hubbub.db"
    sqlite_copy(migrated_sqlite_file, path)
    with serve_in_thread(path) as made:
        yield made


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


def cases(name: str) -> st.SearchStrategy[Case[Any]]:
    """Requests that fit the description of the operation, and requests that do not."""
    operation = SCHEMA[f"/api/v1/{name}"]["POST"]
    return st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )


def with_known(body: Any, server: Served, data: st.DataObject) -> Any:
    """The body, in which some references name what exists."""
    if not isinstance(body, dict):
        return body
    names = [each for each in server.known if each in body]
    chosen = {each: data.draw(st.sampled_from([body[each], *server.known[each]])) for each in names}
    waits = NO_WAIT if isinstance(body.get("wait_s"), float | int) else {}
    return copy.deepcopy(body) | chosen | waits


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_is_answered_by_a_bug_and_no_refusal_changes_anything_on_sqlite(
    server: Served, session: requests.Session, name: str
) -> None:
    headers = {"Authorization": f"Bearer {server.tokens[OPERATIONS[name].role]}"}

    @settings(
        max_examples=examples(3),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def play(data: st.DataObject) -> None:
        case = data.draw(cases(name))
        case.body = with_known(case.body, server, data)
        before = server.state()
        answer = case.call(base_url=server.url, session=session, headers=headers)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]
            changed = {each for each, rows in server.state().items() if rows != before[each]}
            assert changed == set(), answer.text

    play()
