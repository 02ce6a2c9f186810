"""The client of a2a-sdk against Hubbub's server, over HTTP."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.types import (
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
)


@asynccontextmanager
async def sdk_client(
    url: str, token: str, *, path: str = "", streaming: bool = True, version: str = ""
) -> AsyncIterator[Client]:
    """A client that read the card at `path` of the server. `version`: the only one it speaks."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=20, trust_env=False) as http:
        config = ClientConfig(httpx_client=http, streaming=streaming)
        card = await A2ACardResolver(http, url + path).get_agent_card()
        others = [e for e in card.supported_interfaces if version not in ("", e.protocol_version)]
        for each in others:
            card.supported_interfaces.remove(each)
        yield ClientFactory(config).create(card)


def request(
    text: str,
    hubbub: dict[str, Any] | None = None,
    *,
    task_id: str = "",
    context_id: str = "",
    message_id: str = "",
    wait: bool = False,
) -> SendMessageRequest:
    message = Message(
        message_id=message_id or str(uuid4()),
        role=Role.ROLE_USER,
        parts=[Part(text=text)],
        task_id=task_id,
        context_id=context_id,
    )
    if hubbub:
        message.metadata.update({"hubbub": hubbub})
    return SendMessageRequest(
        message=message,
        configuration=SendMessageConfiguration(return_immediately=not wait),
    )


async def send(client: Client, *given: Any, **more: Any) -> Any:
    """The task or the message that answers."""
    (answer,) = [each async for each in client.send_message(request(*given, **more))]
    return answer.task if answer.HasField("task") else answer.message


def closing(
    stream: AsyncIterator[StreamResponse],
) -> AbstractAsyncContextManager[AsyncGenerator[StreamResponse]]:
    """The updates of a stream, which ends with the block."""
    return aclosing(cast("AsyncGenerator[StreamResponse]", stream))
