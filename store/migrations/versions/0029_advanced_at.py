"""A session knows when its refresh token was replaced last."""

from store.engine.migrate import run_statements

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run_statements(revision)
