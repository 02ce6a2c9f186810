"""The attempts to send a write, and how it ends."""

from typing import Any

from store.engine import json_text
from store.engine.transaction import Row, Tx
from store.outbox.writes import LIVE
from store.tables.outbox import WriteRow


async def mark_sending(tx: Tx, write: WriteRow) -> bool:
    """Mark the write as sending before the request goes out. False if it was cancelled."""
    return bool(
        await tx.run(
            "UPDATE writes SET state = 'sending', sending_at = :now, looks = 0, "
            "attempts = attempts + 1 "
            "WHERE installation_id = :i AND id = :w AND state IN ('queued', 'unknown')",
            now=await tx.now(),
            i=write["installation_id"],
            w=write["id"],
        )
    )


async def mark_interrupted(tx: Tx, installation_id: int) -> int:
    """Mark writes as unknown whose process ended while it sent them."""
    return await tx.run(
        "UPDATE writes SET state = 'unknown', looks = 0 WHERE installation_id = :i "
        "AND state = 'sending'",
        i=installation_id,
    )


# A sender that lost its lease must not overwrite what its successor wrote.
SAME_ATTEMPT = "WHERE installation_id = :i AND id = :w AND state IN :live AND attempts = :attempts"


def _attempt(write: WriteRow) -> Row:
    return {
        "i": write["installation_id"],
        "w": write["id"],
        "live": LIVE,
        "attempts": write["attempts"],
    }


async def finish(tx: Tx, write: WriteRow, state: str, outcome: dict[str, Any]) -> bool:
    """End the write. `outcome` is the result of a sent write, otherwise the body of an error.

    Return False and change nothing if another attempt began in the meantime.
    """
    text = json_text.text(outcome)
    tx.rings.add(f"installation {write['installation_id']}")
    return bool(
        await tx.run(
            "UPDATE writes SET state = :state, result = :result, error = :error, "
            f"finished_at = :now {SAME_ATTEMPT}",
            state=state,
            result=text if state == "sent" else None,
            error=None if state == "sent" else text,
            now=await tx.now(),
            **_attempt(write),
        )
    )


async def put_off(
    tx: Tx,
    write: WriteRow,
    state: str,
    until: int,
    *,
    why: str = "",
    looks: int = 0,
    failed: int = 0,
) -> None:
    """Let the write wait until `until`, as queued or unknown.

    `why` is the message of the row's error until the write ends. `failed`: 1 if this attempt
    counts as a failure.
    """
    await tx.run(
        "UPDATE writes SET state = :state, not_before = :at, looks = :looks, error = :error, "
        f"failures = failures + :failed {SAME_ATTEMPT}",
        state=state,
        error=json_text.text({"message": why[:1000]}) if why else None,
        at=until,
        looks=looks,
        failed=failed,
        **_attempt(write),
    )
