"""What a connection needs, from the row of a mounted server."""

from bot.identity.keyring import Keys
from bot.tool_servers.connections import ServerSpec
from bot.tool_servers.credentials import Credential, unseal
from store.tables.mounts import MountRow


def credential_of(keys: Keys, row: MountRow) -> Credential:
    """Raise Broken if it cannot be decrypted."""
    return unseal(keys, row["installation_id"], row["id"], row["sealed"])


def spec_of(keys: Keys, row: MountRow) -> ServerSpec:
    """Raise Broken if the credential cannot be decrypted."""
    return with_credential(row, credential_of(keys, row))


def with_credential(row: MountRow, credential: Credential) -> ServerSpec:
    return ServerSpec(
        installation_id=row["installation_id"],
        server_id=row["id"],
        version=row["version"],
        kind=row["kind"],
        url=row["url"],
        headers=credential.headers(),
        query=credential.query(),
        oauth=credential.oauth(),
        document=row["document"],
        options=row["options"].get("service", {}) if row["kind"] == "openapi" else row["options"],
    )
