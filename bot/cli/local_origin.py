"""Where a command comes from, for the audit: the account and the machine that it runs on."""

import getpass
import os
import platform
from typing import Any

from bot.identity.actors import OPERATOR
from store.audit import records
from store.engine.origins import Origin, Surface
from store.engine.transaction import Tx


def of(surface: Surface = "cli") -> Origin:
    return Origin(surface, f"{_user()}@{platform.node()}", actor=OPERATOR)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return str(os.getuid())


async def record(
    tx: Tx, installation_id: int, command: str, subject: str = "", **data: Any
) -> None:
    """Record in the audit that the operator ran a command, which changes something."""
    tx.origin = of()
    await records.append(tx, installation_id, OPERATOR, command, subject, data=data)
