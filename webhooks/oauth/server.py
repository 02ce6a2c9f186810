"""What the routes of the authorization server share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.identity.keyring import Keys
from bot.identity.oauth.client_documents import Unusable
from bot.identity.oauth.clients import Client
from bot.identity.oauth.document_fetcher import DocumentFetcher
from bot.runs.actions_tokens import ActionsTokens
from store.engine.transaction import Store
from webhooks.request_limits import Limit

# Requests within a minute.
MOST_PAGES, MOST_DECISIONS, MOST_TOKENS, MOST_DEVICES = 120, 20, 300, 20


@dataclass(frozen=True)
class OAuthServer:
    """`registered`: the clients of the settings. `documents`: those with a metadata document.

    `actions` checks the tokens of GitHub Actions. `repeat_s`: how long a refresh token may be sent
    again after its first use, in seconds.
    """

    store: Store
    keys: Keys
    registered: Mapping[str, Client] = field(default_factory=dict)
    documents: DocumentFetcher = field(default_factory=DocumentFetcher)
    actions: ActionsTokens | None = None
    repeat_s: int = 0
    pages: Limit = field(default_factory=lambda: Limit(MOST_PAGES))
    decisions: Limit = field(default_factory=lambda: Limit(MOST_DECISIONS))
    tokens: Limit = field(default_factory=lambda: Limit(MOST_TOKENS))
    devices: Limit = field(default_factory=lambda: Limit(MOST_DEVICES))

    async def client(self, client_id: str) -> Client:
        """Raise Unusable."""
        if (found := self.registered.get(client_id)) is not None:
            return found
        if "://" in client_id:
            return await self.documents.client(client_id)
        raise Unusable(
            "it is not in HUBBUB_OAUTH_CLIENTS, and it is not the address of a metadata document"
        )


OAUTH = web.AppKey("oauth", OAuthServer)
