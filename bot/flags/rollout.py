"""Whether a flag is on for an installation, by the rows of the database. Pure."""

import hashlib
from collections.abc import Mapping

from bot.flags.known import FLAGS
from store.flags.feature_flags import EVERYWHERE
from store.tables.flags import FeatureFlagRow

# What is set, by installation and flag.
Rows = Mapping[tuple[int, str], FeatureFlagRow]
ALL = 100


def is_on(rows: Rows, name: str, installation_id: int) -> bool:
    """A row of the installation has priority over the row of all, and both over the default."""
    row = rows.get((installation_id, name)) or rows.get((EVERYWHERE, name))
    if row is None:
        return FLAGS[name].is_on
    return row["state"] == "on" and place(name, installation_id) < row["percentage"]


def place(name: str, installation_id: int) -> float:
    """Where an installation stands among all, from 0 to 100: the same on every server.

    A greater percentage keeps the installations of a smaller one. Each flag has an order of its
    own, so that not always the same installations go first.
    """
    digest = hashlib.sha256(f"{name}:{installation_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * ALL
