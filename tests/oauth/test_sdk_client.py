"""The MCP SDK's own OAuth client logs in: discovery, the browser, tokens, the next tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.support.client_site import GOOD, ID, serving_documents, write_certificate
from tests.support.login import Browser
from tests.support.mcp_clients import ERAS, TLS
from tests.support.oauth import (
    AUTHORIZE,
    CLIENT,
    REDIRECT,
    Authorization,
    answer_of,
    form_of,
    open_authorization,
)
from tests.support.story import Workspace


@dataclass
class Kept:
    """What the client stores."""

    client: OAuthClientInformationFull | None = None
    tokens: list[OAuthToken] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Person:
    """Opens the address that the client shows, logs in with GitHub and agrees."""

    server: Authorization
    browser: Browser
    answers: list[dict[str, str]] = field(default_factory=list)

    async def open(self, address: str) -> None:
        page = await self.browser.open(address.removeprefix(self.server.url))
        if page.status == 303:
            back = await self.browser.log_in(page.location)
            page = await self.browser.open(back.location)
        answer = await self.browser.open(AUTHORIZE, "POST", **form_of(page))
        self.answers.append(answer_of(answer))

    async def answer(self) -> AuthorizationCodeResult:
        given = self.answers[-1]
        return AuthorizationCodeResult(code=given["code"], state=given["state"], iss=given["iss"])


def provider(person: Person, kept: Kept, **given: Any) -> OAuthClientProvider:
    metadata = OAuthClientMetadata(
        client_name="Tool",
        redirect_uris=[AnyUrl(REDIRECT)],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    return OAuthClientProvider(
        f"{person.server.url}/mcp", metadata, kept, person.open, person.answer, **given
    )


@asynccontextmanager
async def connect(auth: OAuthClientProvider, url: str, era: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(auth=auth, verify=TLS, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
    ):
        yield client


def registered() -> Kept:
    """A client whose id the person entered."""
    return Kept(
        OAuthClientInformationFull(
            client_id=CLIENT, token_endpoint_auth_method="none", redirect_uris=[AnyUrl(REDIRECT)]
        )
    )


@pytest.mark.parametrize("era", ERAS)
async def test_a_registered_client_logs_in_and_calls_tools(workspace: Workspace, era: str) -> None:
    async with open_authorization(workspace) as server:
        person, kept = Person(server, server.browser()), registered()
        async with connect(provider(person, kept), server.url, era) as client:
            given = {"agent_id": "octocat-tool", "name": "Tool"}
            answer = await client.call_tool("register_agent", given)
            assert not answer.is_error
    assert len(person.answers) == 1
    (tokens,) = kept.tokens
    assert tokens.scope == "hubbub"
    assert tokens.refresh_token


async def test_a_client_with_a_metadata_document_logs_in(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_certificate(tmp_path / "client.pem")
    async with serving_documents(tmp_path / "client.pem") as site:
        site.document = GOOD | {"redirect_uris": [REDIRECT]}
        async with open_authorization(workspace, site.fetcher()) as server:
            person, kept = Person(server, server.browser()), Kept()
            auth = provider(person, kept, client_metadata_url=ID)
            async with connect(auth, server.url, "auto") as client:
                assert (await client.list_tools()).tools
        assert kept.client is not None
        assert kept.client.client_id == ID
        assert len(site.requests) == 1


async def test_the_client_gets_the_next_tokens_without_the_person(workspace: Workspace) -> None:
    async with open_authorization(workspace) as server:
        person, kept = Person(server, server.browser()), registered()
        auth = provider(person, kept)
        async with connect(auth, server.url, "auto") as client:
            await client.list_tools()
            auth.context.token_expiry_time = 1.0
            assert (await client.list_tools(cache_mode="refresh")).tools
        assert len(person.answers) == 1
        first, second = kept.tokens
        assert first.refresh_token != second.refresh_token


async def test_after_its_session_ended_the_client_asks_the_person_again(
    workspace: Workspace,
) -> None:
    async with open_authorization(workspace) as server:
        person, kept = Person(server, server.browser()), registered()
        async with connect(provider(person, kept), server.url, "auto") as client:
            await client.list_tools()
            await server.ask("/oauth/revoke", token=kept.tokens[0].access_token, client_id=CLIENT)
            assert (await client.list_tools(cache_mode="refresh")).tools
        assert len(person.answers) == 2
