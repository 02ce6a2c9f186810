"""Key-value pairs of one installation, and an index for its commands that wait.

Both for a database that is sharded by installation.
"""

from store.engine.migrate import run_statements

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    run_statements(revision)
