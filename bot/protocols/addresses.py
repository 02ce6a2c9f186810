"""The address and the secret of an agent's endpoint, which are stored encrypted."""

import json
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from bot.identity.keyring import Keys
from store.tables.protocols import AgentEndpointRow

PURPOSE = "agent endpoints"


@dataclass(frozen=True)
class Address:
    """`secret`: with which callbacks are signed, or which is sent as the bearer token."""

    url: str
    secret: str = ""


def visible_part(url: str) -> str:
    """What people may see of an address. The path may be a secret."""
    return (urlsplit(url).netloc or "")[:255]


def sealed_for(installation_id: int, agent_id: str) -> str:
    """What an address is encrypted with, so that it cannot be decrypted in another row."""
    return f"{installation_id} {agent_id}"


def seal(keys: Keys, installation_id: int, agent_id: str, address: Address) -> bytes:
    content = json.dumps(asdict(address)).encode()
    about = sealed_for(installation_id, agent_id)
    return keys.seal_with_id(PURPOSE, about, content)


def address_of(keys: Keys, row: AgentEndpointRow) -> Address:
    """Raise Broken if it cannot be decrypted."""
    about = sealed_for(row["installation_id"], row["agent_id"])
    return Address(**json.loads(keys.open_with_id(PURPOSE, about, row["sealed"])))
