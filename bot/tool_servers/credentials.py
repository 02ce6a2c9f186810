"""The credential of a tool server: one for each, which no answer and no log shows."""

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias, get_args

from bot.identity.keyring import Keys
from bot.tool_servers.connections import ClientCredentials

PURPOSE = "tool servers"
# `query`: a key in the address, which some HTTP services require.
CredentialKind: TypeAlias = Literal["none", "bearer", "header", "basic", "query", "oauth"]
KINDS: tuple[CredentialKind, ...] = get_args(CredentialKind)


@dataclass(frozen=True)
class Credential:
    """`name`: of the header or the parameter, the user, or the client id. `secret`: its value."""

    kind: CredentialKind = "none"
    name: str = ""
    secret: str = field(default="", repr=False)
    token_url: str = ""
    scope: str = ""

    def headers(self) -> dict[str, str]:
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {self.secret}"}
        if self.kind == "basic":
            pair = base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {self.name: self.secret} if self.kind == "header" else {}

    def query(self) -> dict[str, str]:
        return {self.name: self.secret} if self.kind == "query" else {}

    def oauth(self) -> ClientCredentials | None:
        if self.kind != "oauth":
            return None
        return ClientCredentials(self.token_url, self.name, self.secret, self.scope)

    @property
    def public_part(self) -> dict[str, str]:
        """What people may see of it."""
        known = {"kind": self.kind, "name": self.name, "token_url": self.token_url}
        return {name: value for name, value in {**known, "scope": self.scope}.items() if value}


def sealed_for(installation_id: int, server_id: str) -> str:
    """What a credential is encrypted with, so that it cannot be decrypted in another row."""
    return f"{installation_id} {server_id}"


def seal(keys: Keys, installation_id: int, server_id: str, credential: Credential) -> bytes:
    content = json.dumps(asdict(credential)).encode()
    return keys.seal_with_id(PURPOSE, sealed_for(installation_id, server_id), content)


def unseal(keys: Keys, installation_id: int, server_id: str, sealed: bytes) -> Credential:
    """Raise Broken if it cannot be decrypted."""
    about = sealed_for(installation_id, server_id)
    return Credential(**json.loads(keys.open_with_id(PURPOSE, about, sealed)))
