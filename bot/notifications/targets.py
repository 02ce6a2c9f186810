"""Targets of notifications. The address and the secret of one are stored encrypted."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from bot.identity.keyring import Keys
from bot.notifications.rules import Rules
from store.engine import ids
from store.engine.transaction import Tx
from store.notifications import targets
from store.tables.notifications import NotificationTargetRow, TargetKind

PURPOSE = "notification targets"
# Of the documents at https://www.standardwebhooks.com: this prefix, then base64.
SECRET = "whsec_"  # noqa: S105 - the beginning of every secret


@dataclass(frozen=True)
class Address:
    """`to`: a web address, or mail addresses separated by commas. `secret`: of a webhook."""

    to: str
    secret: str = ""


def new_secret() -> str:
    return SECRET + base64.b64encode(secrets.token_bytes(32)).decode()


def sealed_for(installation_id: int, target_id: str) -> str:
    """What an address is encrypted with, so that it cannot be decrypted in another row."""
    return f"{installation_id} {target_id}"


def visible_part(kind: TargetKind, to: str) -> str:
    """What people may see of an address. The path of a webhook is a secret."""
    return to[:255] if kind == "mail" else (urlsplit(to).netloc or "")[:255]


async def add(
    tx: Tx,
    keys: Keys,
    installation_id: int,
    kind: TargetKind,
    name: str,
    address: Address,
    rules: Rules,
    by: str,
) -> NotificationTargetRow:
    now = await tx.now()
    target_id = ids.new("n", now)
    content = json.dumps(asdict(address)).encode()
    row: NotificationTargetRow = {
        "installation_id": installation_id,
        "id": target_id,
        "kind": kind,
        "name": name,
        "shown": visible_part(kind, address.to),
        "sealed": keys.seal_with_id(PURPOSE, sealed_for(installation_id, target_id), content),
        "rules": rules.model_dump(mode="json"),
        "state": "active",
        "why": None,
        "created_at": now,
        "created_by": by[:120],
        "since": now,
    }
    await targets.add(tx, row)
    return row


def address_of(keys: Keys, row: NotificationTargetRow) -> Address:
    """Raise Broken if it cannot be decrypted."""
    about = sealed_for(row["installation_id"], row["id"])
    return Address(**json.loads(keys.open_with_id(PURPOSE, about, row["sealed"])))
