"""Logins, the tokens that clients get, and stolen ones are in the audit."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.audit.test_rows import audit_of
from tests.support.engines import ON_SQLITE
from tests.support.oauth import Authorization, open_authorization
from tests.support.story import Workspace


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[Authorization]:
    async with open_authorization(workspace) as made:
        yield made


async def rows_of(server: Authorization) -> list[tuple[str, str, str, str, str]]:
    """Actor, surface, operation, outcome and code of what concerns credentials."""
    rows = await server.workspace.rows(
        "SELECT actor, surface, operation, outcome, code, data FROM audit "
        "WHERE installation_id = :i AND (operation LIKE 'credential%' OR operation LIKE "
        "'session%') ORDER BY seq"
    )
    return [
        (
            row["actor"],
            row["surface"],
            " ".join(filter(None, (row["operation"], json.loads(row["data"]).get("kind")))),
            row["outcome"],
            row["code"],
        )
        for row in rows
    ]


async def test_a_login_of_a_client_and_its_stolen_refresh_token_are_recorded(
    server: Authorization,
) -> None:
    first = await server.login()
    await server.refresh(first["refresh_token"])
    await server.refresh(first["refresh_token"])
    assert await rows_of(server) == [
        ("@octocat", "oauth", "credential.created authorization_code", "done", ""),
        ("octocat-tool", "oauth", "credential.created session", "done", ""),
        ("hubbub[bot]", "oauth", "credential.revoked session", "done", ""),
        ("octocat-tool", "oauth", "session.refresh", "refused", "reused"),
    ]


@ON_SQLITE
async def test_people_who_log_in_and_tokens_that_are_refused_are_recorded(
    server: Authorization,
) -> None:
    await server.login()
    await server.refresh("hubbub_0123456789abcdef0123_x")
    rows = await audit_of(server.workspace.store, 0)
    assert [(row[0], row[2], row[3], row[6]) for row in rows] == [
        ("@octocat", "page", "credential.created", ""),
        ("", "oauth", "oauth", "unauthenticated"),
    ]
