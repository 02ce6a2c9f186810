"""What happened in an installation, in its order: what those who wait are woken by."""

import json
from collections.abc import Mapping

from store import heads
from store.transaction import Tx


async def append(
    tx: Tx,
    installation_id: int,
    kind: str,
    subject: str,
    actor: str,
    data: Mapping[str, object],
    *,
    audience: str | None = None,
    repository_id: int | None = None,
) -> None:
    """`kind` is `<topic>.<what>`, as task.claimed; `audience` is the only agent to see it.

    With a `repository_id` only those see it who see that repository.
    """
    event = {
        "at": await tx.now(),
        "kind": kind,
        "subject": subject,
        "actor": actor,
        "data": json.dumps(dict(data)),
        "audience": audience,
        "repository_id": repository_id,
    }
    heads.append(tx, "events", installation_id, event)
    tx.rings.add(f"installation {installation_id}")
