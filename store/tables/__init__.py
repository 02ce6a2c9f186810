"""Every table, by room. Migrations build them; a test holds the two equal.

Times are BIGINT microseconds UTC. Every row that belongs to an installation has
`installation_id` first in its key. Mirrored rows carry `version`, the guard of DESIGN §4.2.
"""

from store.tables import (
    agents,
    approvals,
    audit,
    boards,
    builds,
    code,
    consultations,
    contexts,
    engine,
    events,
    fetch,
    files,
    flags,
    identity,
    inbox,
    messages,
    mirror,
    mounts,
    notifications,
    outbox,
    plugins,
    protocols,
    runs,
    tasks,
    tool_calls,
    usage,
    verdicts,
    workflows,
)
from store.tables.columns import Table

ROOMS = (
    mirror,
    builds,
    code,
    boards,
    inbox,
    fetch,
    outbox,
    agents,
    identity,
    tasks,
    tool_calls,
    runs,
    workflows,
    approvals,
    usage,
    verdicts,
    messages,
    consultations,
    contexts,
    files,
    events,
    notifications,
    mounts,
    plugins,
    protocols,
    audit,
    flags,
    engine,
)
TABLES: dict[str, Table] = {table.name: table for room in ROOMS for table in room.TABLES}
