"""The token for a foreign tracker, which is stored encrypted."""

import re
from collections.abc import Collection

from bot.identity.keyring import Keys
from bot.tool_servers.addresses import check_web
from store.tables.trackers import TrackerRow

PURPOSE = "trackers"
TOKEN = re.compile(r"[!-~]{8,500}")


def sealed_for(installation_id: int, tracker_id: str) -> str:
    """What a token is encrypted with, so that it cannot be decrypted in another row."""
    return f"{installation_id} {tracker_id}"


def seal(keys: Keys, installation_id: int, tracker_id: str, token: str) -> bytes:
    about = sealed_for(installation_id, tracker_id)
    return keys.seal_with_id(PURPOSE, about, token.encode())


def token_of(keys: Keys, row: TrackerRow) -> str:
    """Raise Broken if it cannot be decrypted."""
    about = sealed_for(row["installation_id"], row["id"])
    return keys.open_with_id(PURPOSE, about, row["sealed"]).decode()


def checked_url(url: str, trusted: Collection[str]) -> str:
    """The address without a slash at its end. Raise Refused."""
    return check_web(url.rstrip("/"), trusted).url
