"""The agents that wrote texts, for the search. It indexes all texts again, in the background."""

from store.engine.migrate import run_statements

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_statements(revision)
