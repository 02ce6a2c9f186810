"""Tasks and boards follow each other both ways.

An item's event names its issue only by the node id, so issues are found by it.
"""

from store.engine.migrate import run_statements

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run_statements(revision)
