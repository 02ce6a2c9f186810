"""Every table, as SQLAlchemy Core knows it. Migrations build them; a test holds the two equal.

Times are BIGINT microseconds UTC. Every row that belongs to an installation has
`installation_id` first in its key. Mirrored rows carry `version`, the guard of DESIGN §4.2.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

MYSQL = ("mysql", "mariadb")
metadata = sa.MetaData()

Big = sa.BigInteger()
Small = sa.Integer()
Flag = sa.Integer()
Long = sa.Text().with_variant(mysql.LONGTEXT(), *MYSQL)
Json = Long
Terms = sa.Text().with_variant(mysql.LONGTEXT(charset="ascii", collation="ascii_bin"), *MYSQL)
Bytes = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL)


def text(length: int) -> sa.String:
    return sa.String(length)


def key(name: str, type_: sa.types.TypeEngine[Any] = Big) -> sa.Column[Any]:
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


def column(
    name: str, type_: sa.types.TypeEngine[Any], default: str | None = None
) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=False, server_default=default and sa.text(default))


def maybe(name: str, type_: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=True)


def table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *parts)


def mirrored() -> tuple[sa.Column[Any], ...]:
    """The guard: what it is made of is in `store.mirror.mirror_rows`."""
    return (column("deleted", Flag, "0"), column("version", text(80)))


def author() -> tuple[sa.Column[Any], ...]:
    return (
        column("author", text(100)),
        column("author_id", Big, "0"),
        column("author_association", text(40)),
    )


# --- What GitHub says -------------------------------------------------------------------------

installations = table(
    "installations",
    key("installation_id"),
    column("account", text(100)),
    column("account_id", Big),
    column("account_type", text(40)),
    column("repository_selection", text(20)),
    column("permissions", Json),
    maybe("suspended_at", Big),
    *mirrored(),
    # Since when it is removed or suspended, by our clock: its grace runs from here.
    maybe("gone_at", Big),
)
repositories = table(
    "repositories",
    key("installation_id"),
    key("id"),
    column("full_name", text(250)),
    column("full_name_key", text(250)),
    column("private", Flag),
    column("archived", Flag),
    column("default_branch", text(255)),
    # Whether the installation still covers it; `installation_repositories` has no guard.
    column("selected", Flag, "1"),
    *mirrored(),
    sa.Index("ix_repositories_full_name", "installation_id", "full_name_key"),
)
issues = table(
    "issues",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    column("is_pull_request", Flag),
    column("title", text(1024)),
    column("body", Long),
    column("state", text(20)),
    maybe("state_reason", text(40)),
    *author(),
    column("labels", Json),
    column("assignees", Json),
    maybe("milestone", Big),
    column("locked", Flag),
    column("created_at", Big),
    column("updated_at", Big),
    maybe("closed_at", Big),
    *mirrored(),
    column("node_id", text(100), "''"),
    column("type", text(100), "''"),
    sa.Index("ix_issues_number", "installation_id", "repository_id", "number"),
    sa.Index("ix_issues_updated", "installation_id", "repository_id", "updated_at"),
)
pull_requests = table(
    "pull_requests",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    column("title", text(1024)),
    column("body", Long),
    column("state", text(20)),
    column("draft", Flag),
    column("merged", Flag),
    column("head_ref", text(255)),
    column("head_sha", text(64)),
    column("base_ref", text(255)),
    *author(),
    column("labels", Json),
    column("assignees", Json),
    maybe("milestone", Big),
    column("created_at", Big),
    column("updated_at", Big),
    maybe("closed_at", Big),
    maybe("merged_at", Big),
    *mirrored(),
    column("node_id", text(100), "''"),
    sa.Index("ix_pull_requests_number", "installation_id", "repository_id", "number"),
    sa.Index("ix_pull_requests_open", "installation_id", "repository_id", "state", "number"),
)
comments = table(
    "comments",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    column("body", Long),
    *author(),
    maybe("via_app_id", Big),
    column("created_at", Big),
    column("updated_at", Big),
    *mirrored(),
    column("node_id", text(100), "''"),
    sa.Index("ix_comments_number", "installation_id", "repository_id", "number", "created_at"),
    sa.Index("ix_comments_updated", "installation_id", "repository_id", "updated_at"),
)
reviews = table(
    "reviews",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    column("state", text(40)),
    column("body", Long),
    *author(),
    column("commit_id", text(64)),
    maybe("submitted_at", Big),
    column("updated_at", Big),
    *mirrored(),
    sa.Index("ix_reviews_number", "installation_id", "repository_id", "number"),
)
review_comments = table(
    "review_comments",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    maybe("review_id", Big),
    maybe("in_reply_to_id", Big),
    column("path", text(1024)),
    maybe("line", Big),
    column("commit_id", text(64)),
    column("body", Long),
    *author(),
    maybe("via_app_id", Big),
    column("created_at", Big),
    column("updated_at", Big),
    *mirrored(),
    sa.Index("ix_review_comments_number", "installation_id", "repository_id", "number"),
)
labels = table(
    "labels",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("name", text(255)),
    column("color", text(20)),
    column("description", text(500)),
    *mirrored(),
    sa.Index("ix_labels_repository", "installation_id", "repository_id"),
)
milestones = table(
    "milestones",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("number", Big),
    column("title", text(1024)),
    column("description", Long),
    column("state", text(20)),
    maybe("due_on", Big),
    column("created_at", Big),
    column("updated_at", Big),
    maybe("closed_at", Big),
    *mirrored(),
    sa.Index("ix_milestones_number", "installation_id", "repository_id", "number"),
)

review_threads = table(
    "review_threads",
    key("installation_id"),
    key("node_id", text(100)),
    column("repository_id", Big),
    column("number", Big),
    column("comment_id", Big),
    column("resolved", Flag),
    *mirrored(),
    sa.Index("ix_review_threads_number", "installation_id", "repository_id", "number"),
)
# A set without a guard: events are believed for now, a read settles. `source` is the child or the
# blocked issue, `target` the parent or the blocker; names and states serve for those unmirrored.
relations = table(
    "relations",
    key("installation_id"),
    key("kind", text(20)),
    key("source_id"),
    key("target_id"),
    column("source_name", text(300)),
    column("source_state", text(20)),
    column("target_name", text(300)),
    column("target_state", text(20)),
    # In a circle of issues that wait for each other: then nobody waits by it.
    column("cyclic", Flag, "0"),
    sa.Index("ix_relations_target", "installation_id", "kind", "target_id"),
)
# Where issues went that left their repository: late events still name the old place.
transfers = table(
    "transfers",
    key("installation_id"),
    key("repository_id"),
    key("number"),
    column("new_repository_id", Big),
    column("new_number", Big),
)
# Which issues a pull request says that it closes: derived from its row, replaced with it.
pull_links = table(
    "pull_links",
    key("installation_id"),
    key("repository_id"),
    key("pull_number"),
    # Folded owner/repo; empty for the pull request's own.
    key("issue_repository", text(250)),
    key("issue_number"),
    column("how", text(20)),
    sa.Index(
        "ix_pull_links_issue", "installation_id", "issue_number", "repository_id", "pull_number"
    ),
)
# The changed files of a head, as a JSON list of {path, status, additions, deletions}.
pull_files = table(
    "pull_files",
    key("installation_id"),
    key("repository_id"),
    key("number"),
    column("head_sha", text(64)),
    column("files", Json),
    # Whether the list was read to its end.
    column("whole", Flag),
    column("read_at", Big),
)
# Branches: a push must go on from where the branch was, and be later; else a read settles.
refs = table(
    "refs",
    key("installation_id"),
    key("repository_id"),
    key("name", text(255)),
    column("sha", text(64)),
    column("pushed_at", Big),
)
check_runs = table(
    "check_runs",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("head_sha", text(64)),
    column("name", text(255)),
    column("app", text(100)),
    column("status", text(20)),
    maybe("conclusion", text(40)),
    maybe("started_at", Big),
    maybe("completed_at", Big),
    *mirrored(),
    sa.Index("ix_check_runs_head", "installation_id", "repository_id", "head_sha"),
)
workflow_runs = table(
    "workflow_runs",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("workflow_id", Big),
    column("name", text(255)),
    column("title", text(1024)),
    column("event", text(80)),
    column("head_branch", text(255)),
    column("head_sha", text(64)),
    column("run_number", Big),
    column("run_attempt", Big),
    column("status", text(20)),
    maybe("conclusion", text(40)),
    column("created_at", Big),
    column("updated_at", Big),
    *mirrored(),
    sa.Index("ix_workflow_runs_head", "installation_id", "repository_id", "head_sha"),
)
workflow_jobs = table(
    "workflow_jobs",
    key("installation_id"),
    key("id"),
    column("repository_id", Big),
    column("run_id", Big),
    column("run_attempt", Big),
    column("name", text(255)),
    column("head_sha", text(64)),
    column("status", text(20)),
    maybe("conclusion", text(40)),
    maybe("started_at", Big),
    maybe("completed_at", Big),
    *mirrored(),
    sa.Index("ix_workflow_jobs_run", "installation_id", "repository_id", "run_id"),
)
projects = table(
    "projects",
    key("installation_id"),
    key("id"),
    column("node_id", text(100)),
    column("number", Big),
    column("title", text(1024)),
    column("closed", Flag),
    column("updated_at", Big),
    *mirrored(),
    sa.Index("ix_projects_number", "installation_id", "number"),
)
# As the newest read has them. `options`: a JSON list of {id, name}.
project_fields = table(
    "project_fields",
    key("installation_id"),
    key("id"),
    column("project_id", Big),
    column("node_id", text(100)),
    column("name", text(255)),
    column("type", text(40)),
    column("options", Json),
    sa.Index("ix_project_fields_project", "installation_id", "project_id"),
)
project_items = table(
    "project_items",
    key("installation_id"),
    key("id"),
    column("node_id", text(100)),
    column("project_node_id", text(100)),
    column("content_node_id", text(100)),
    column("content_type", text(40)),
    column("archived", Flag),
    column("updated_at", Big),
    *mirrored(),
    sa.Index("ix_project_items_content", "installation_id", "content_node_id"),
)
# What a board says of an item in its single-select fields, such as Status.
project_values = table(
    "project_values",
    key("installation_id"),
    key("item_id"),
    key("field", text(100)),
    column("name", text(255)),
    column("option_id", text(100)),
    column("updated_at", Big),
    *mirrored(),
)
# What `.github/hubbub.yml` said when it was last right, and what is wrong with it now.
repository_settings = table(
    "repository_settings",
    key("installation_id"),
    key("repository_id"),
    column("settings", Json),
    column("sha", text(64)),
    maybe("problem", Long),
    maybe("problem_sha", text(64)),
    column("read_at", Big),
)

# The text that search finds, see `store.mirror.search_index`. `row_id` is 0 for an issue or pull
# request.
search_texts = table(
    "search_texts",
    key("installation_id"),
    key("doc"),
    column("kind", text(20)),
    column("repository_id", Big),
    column("number", Big),
    column("row_id", Big),
    column("author_key", text(100)),
    column("state", text(20)),
    column("labels", Long),
    column("terms", Terms),
    sa.Index("ix_search_texts_doc", "doc", unique=True).ddl_if(dialect="sqlite"),
    sa.Index("ix_search_texts_row", "installation_id", "row_id", "kind"),
    sa.Index("ix_search_texts_number", "installation_id", "repository_id", "number", "row_id"),
    sa.Index("ft_search_texts", "terms", mysql_prefix="FULLTEXT").ddl_if(dialect="mysql"),
)
FORGET_WORDS = (
    "INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.doc, old.terms); "
)
LEARN_WORDS = "INSERT INTO search_words (rowid, terms) VALUES (new.doc, new.terms); "
SEARCH_ON_SQLITE = (
    (
        "CREATE VIRTUAL TABLE search_words USING fts5 (terms, content='search_texts', "
        "content_rowid='doc', tokenize=\"ascii tokenchars '_'\", detail='none', columnsize=0)"
    ),
    (f"CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN {LEARN_WORDS}END"),
    (
        "CREATE TRIGGER search_texts_changed AFTER UPDATE OF terms ON search_texts "
        f"BEGIN {FORGET_WORDS}{LEARN_WORDS}END"
    ),
    (f"CREATE TRIGGER search_texts_dropped AFTER DELETE ON search_texts BEGIN {FORGET_WORDS}END"),
)
for statement in SEARCH_ON_SQLITE:
    on_sqlite = sa.DDL(statement).execute_if(dialect="sqlite")  # type: ignore[no-untyped-call]
    sa.event.listen(search_texts, "after_create", on_sqlite)

# --- What GitHub sends, and what we still have to ask it --------------------------------------

deliveries = table(
    "deliveries",
    key("installation_id"),
    key("guid", text(80)),
    column("event", text(80)),
    column("action", text(80)),
    maybe("repository_id", Big),
    column("state", text(20)),
    maybe("outcome", text(20)),
    column("attempts", Small, "0"),
    column("not_before", Big),
    maybe("error", Long),
    column("received_at", Big),
    maybe("processed_at", Big),
    column("payload", Bytes),
    sa.Index("ix_deliveries_state", "state", "not_before"),
    sa.Index("ix_deliveries_received", "installation_id", "state", "received_at"),
)
commands = table(
    "commands",
    key("installation_id"),
    key("source_kind", text(20)),
    key("source_id"),
    key("text_hash", text(64)),
    key("nth", Small),
    column("repository_id", Big),
    column("number", Big),
    column("line", Small),
    column("verb", text(80)),
    column("words", Json),
    column("text", Long),
    column("asker", text(100)),
    column("state", text(20)),
    column("attempts", Small, "0"),
    column("not_before", Big),
    column("written_at", Big),
    column("received_at", Big),
    maybe("answered_at", Big),
    maybe("answer", Long),
    sa.Index("ix_commands_state", "state", "not_before"),
)
reads = table(
    "pending_reads",  # READS is a reserved word of MySQL
    key("installation_id"),
    key("kind", text(40)),
    key("subject", text(255)),
    column("arguments", Json),
    column("state", text(20)),
    # Counts the askings, so that one that comes in while the answer is fetched is not lost.
    column("asked", Big, "1"),
    column("attempts", Small, "0"),
    column("not_before", Big),
    maybe("error", Long),
    column("asked_at", Big),
    maybe("answered_at", Big),
    # 0 somebody waits, 1 the mirror is unsure, 2 backfill.
    column("priority", Small, "0"),
    sa.Index("ix_pending_reads_state", "state", "not_before"),
    sa.Index("ix_pending_reads_queue", "installation_id", "state", "priority", "not_before"),
)
# What is fetched of a repository when it appears, part by part; 0 for what its owner has.
backfills = table(
    "backfills",
    key("installation_id"),
    key("repository_id"),
    key("part", text(40)),
    column("state", text(20)),
    # Only what changed since then; 0 for everything.
    column("since", Big, "0"),
    # Where to go on: a time reached, and the link of the next page.
    column("reached", Big, "0"),
    maybe("next_page", Long),
    column("seen", Big, "0"),
    column("calls", Big, "0"),
    maybe("expected", Big),
    column("attempts", Small, "0"),
    column("not_before", Big),
    maybe("error", Long),
    column("started_at", Big),
    maybe("finished_at", Big),
    sa.Index("ix_backfills_state", "installation_id", "state", "not_before"),
    # Which installations have something waiting is asked over all of them.
    sa.Index("ix_backfills_waiting", "state", "not_before", "installation_id"),
)
# Deliveries that GitHub has and the inbox lacks: what the mirror is known to miss.
lost_deliveries = table(
    "lost_deliveries",
    key("installation_id"),
    key("guid", text(80)),
    column("delivery_id", Big),
    maybe("repository_id", Big),
    column("event", text(80)),
    column("action", text(80)),
    column("delivered_at", Big),
    column("attempts", Small, "0"),
    column("not_before", Big),
    maybe("error", Long),
    sa.Index("ix_lost_deliveries_due", "not_before", "delivered_at"),
)
permissions = table(
    "permissions",
    key("installation_id"),
    key("repository_id"),
    key("login_key", text(100)),
    column("permission", text(40)),
    column("fetched_at", Big),
)

# --- What goes back to GitHub -----------------------------------------------------------------

writes = table(
    "writes",
    key("installation_id"),
    key("id", text(40)),
    column("seq", Big),
    column("kind", text(40)),
    column("repository_id", Big),
    column("target", text(255)),
    column("arguments", Json),
    column("author", text(120)),
    maybe("task_id", text(40)),
    maybe("lease_id", text(40)),
    column("state", text(20)),
    column("attempts", Small, "0"),
    # Looks since the outcome became unknown, and outcomes that GitHub did not give.
    column("looks", Small, "0"),
    column("failures", Small, "0"),
    column("not_before", Big),
    column("queued_at", Big),
    maybe("sending_at", Big),
    maybe("finished_at", Big),
    maybe("result", Json),
    maybe("error", Json),
    # 0 for people, 1 for agents and for what the bot shows of them.
    column("lane", Small, "1"),
    # When its author was told, by a notice, that it did not take effect.
    maybe("told_at", Big),
    sa.Index("ix_writes_state", "state", "not_before", "installation_id"),
    sa.Index("ix_writes_queue", "installation_id", "state", "seq"),
    sa.Index("ix_writes_task", "installation_id", "task_id", "state", "seq"),
    sa.Index("ix_writes_target", "installation_id", "target", "state", "seq"),
    sa.Index("ix_writes_author", "installation_id", "author", "state", "finished_at"),
)
budgets = table(
    "budgets",
    key("installation_id"),
    key("resource", text(60)),
    maybe("limit_", Big),
    maybe("remaining", Big),
    maybe("used", Big),
    maybe("reset_at", Big),
    column("blocked_until", Big, "0"),
    column("failures", Small, "0"),
    column("recorded_at", Big),
)
senders = table(
    "senders",
    key("installation_id"),
    column("holder", text(80)),
    column("lease_until", Big),
    column("last_mutation_at", Big, "0"),
    # Of those that notify people.
    column("last_notified_at", Big, "0"),
    # How many turns in a row people had.
    column("streak", Small, "0"),
)
# The limits that GitHub does not report: when each would be whole again.
allowances = table(
    "allowances",
    key("installation_id"),
    key("name", text(20)),
    column("full_at", Big),
)
# Mutations by author and hour: who spent what, and whose turn was how long ago.
spending = table(
    "spending",
    key("installation_id"),
    key("hour"),
    key("author", text(120)),
    column("requests", Big),
    column("last_at", Big),
    sa.Index("ix_spending_author", "installation_id", "author", "last_at"),
)

# --- Who works ---------------------------------------------------------------------------------

agents = table(
    "agents",
    key("installation_id"),
    key("id", text(64)),
    column("name", text(200)),
    column("system_name", text(80)),
    column("role", text(20)),
    column("capabilities", Json),
    maybe("parent_id", text(64)),
    column("registered_at", Big),
    column("last_active_at", Big),
    maybe("paused_at", Big),
    maybe("paused_by", text(120)),
    # It left: its row stays, since others' rows name it.
    maybe("left_at", Big),
    # What it last said of itself: latency, error rate, CPU, memory, and when.
    maybe("health", Json),
    column("calls", Big, "0"),
    # How its leases ended.
    column("completed", Big, "0"),
    column("failed", Big, "0"),
    column("expired", Big, "0"),
    column("released", Big, "0"),
    sa.Index("ix_agents_parent", "installation_id", "parent_id"),
)
# What an agent, or who takes over from it, resumes from; with `task_id` '' of no task. Sealed.
checkpoints = table(
    "checkpoints",
    key("installation_id"),
    key("agent_id", text(64)),
    key("task_id", text(40)),
    column("saved_at", Big),
    column("sealed", Bytes),
)
agent_keys = table(
    "agent_keys",
    key("id", text(40)),
    column("installation_id", Big),
    column("agent_id", text(64)),
    column("role", text(20)),
    column("hash", text(64)),
    column("created_at", Big),
    maybe("revoked_at", Big),
    sa.Index("ix_agent_keys_agent", "installation_id", "agent_id"),
)

# --- What they work on ---------------------------------------------------------------------------

tasks = table(
    "tasks",
    key("installation_id"),
    key("id", text(40)),
    column("repository_id", Big),
    maybe("issue_id", Big),
    maybe("number", Big),
    column("title", text(1024)),
    column("state", text(20)),
    column("held", Flag, "0"),
    column("priority", Small),
    column("capabilities", Json),
    maybe("assigned_to", text(120)),
    # The live lease, if any: one row can name one, so there is one.
    maybe("lease_id", text(40)),
    maybe("holder", text(120)),
    column("fence", Big, "0"),
    column("failures", Small, "0"),
    column("progress", Small, "0"),
    maybe("note", Long),
    maybe("result", Long),
    maybe("branch", text(255)),
    maybe("pull_number", Big),
    maybe("card_comment_id", Big),
    column("created_at", Big),
    column("updated_at", Big),
    # Two who only answered each other, until they were stopped.
    maybe("loop_between", text(300)),
    # small 0, medium 1, large 2.
    maybe("size", Small),
    maybe("held_by", text(120)),
    maybe("held_why", text(500)),
    maybe("assigned_by", text(120)),
    maybe("assigned_at", Big),
    # What somebody beside its holder decided about its end, or its begin anew.
    maybe("decision", text(600)),
    # When somebody decided that it begins again: what was closed before that is history.
    maybe("retried_at", Big),
    # What its holder asked people and nobody answered yet.
    maybe("question", Long),
    maybe("asked_at", Big),
    # In the order in which `store.tasks.tasks` walks them: no query sorts all tasks.
    sa.Index(
        "ix_tasks_best", "installation_id", "state", "priority", "failures", "created_at", "id"
    ),
    sa.Index(
        "ix_tasks_best_in",
        "installation_id",
        "repository_id",
        "state",
        "priority",
        "failures",
        "created_at",
        "id",
    ),
    sa.Index("ix_tasks_newest", "installation_id", "state", "created_at", "id"),
    sa.Index("ix_tasks_newest_in", "installation_id", "repository_id", "state", "created_at", "id"),
    sa.Index("ix_tasks_newest_of", "installation_id", "holder", "state", "created_at", "id"),
    sa.Index("ix_tasks_reserved", "state", "assigned_at"),
    sa.Index("ix_tasks_held", "installation_id", "repository_id", "held"),
    sa.Index("ix_tasks_number", "installation_id", "repository_id", "number"),
    sa.Index("ix_tasks_pull", "installation_id", "repository_id", "pull_number"),
    sa.Index("ix_tasks_issue", "installation_id", "issue_id", unique=True),
)
leases = table(
    "leases",
    key("installation_id"),
    key("id", text(40)),
    column("task_id", text(40)),
    column("holder", text(120)),
    column("fence", Big),
    column("state", text(20)),
    column("lease_s", Big),
    maybe("expires_at", Big),
    column("granted_at", Big),
    column("renewed_at", Big),
    maybe("ended_at", Big),
    maybe("ended_why", text(200)),
    # Paths that the holder said it would touch: what the overlap radar compares.
    maybe("paths", Json),
    # When the holder was told, by a notice, that it lost the lease.
    maybe("told_at", Big),
    sa.Index("ix_leases_expiry", "state", "expires_at"),
    sa.Index("ix_leases_holder", "installation_id", "holder", "state", "ended_at"),
    sa.Index("ix_leases_task", "installation_id", "task_id", "fence"),
    sa.Index("ix_leases_live", "installation_id", "state", "task_id"),
)

# --- What they say to each other -----------------------------------------------------------------

messages = table(
    "messages",
    key("installation_id"),
    key("id", text(40)),
    column("seq", Big),
    column("thread_id", text(40)),
    column("sender", text(120)),
    column("recipient", text(140)),
    maybe("task_id", text(40)),
    column("priority", Small),
    column("body", Long),
    column("sent_at", Big),
    maybe("expires_at", Big),
    # Shown on the task's card too.
    column("on_card", Flag, "0"),
    maybe("deleted_at", Big),
    sa.Index("ix_messages_sender", "installation_id", "sender", "sent_at"),
    sa.Index("ix_messages_task", "installation_id", "task_id", "seq"),
    sa.Index("ix_messages_thread", "installation_id", "thread_id", "seq"),
)
receipts = table(
    "receipts",
    key("installation_id"),
    key("agent_id", text(64)),
    key("message_id", text(40)),
    column("state", text(20)),
    column("priority", Small),
    column("seq", Big),
    column("visible_at", Big, "0"),
    maybe("read_at", Big),
    # How often it was handed out.
    column("attempts", Small, "0"),
    maybe("expires_at", Big),
    # Why it is a dead letter: expired, undelivered.
    maybe("dead_why", text(40)),
    maybe("ended_at", Big),
    # When its reader was told of it by a notice.
    maybe("told_at", Big),
    sa.Index("ix_receipts_inbox", "installation_id", "agent_id", "state", "priority", "seq"),
    sa.Index("ix_receipts_message", "installation_id", "message_id"),
    sa.Index("ix_receipts_expiry", "state", "expires_at"),
    sa.Index("ix_receipts_state", "installation_id", "state", "message_id"),
)

# --- What they know together ----------------------------------------------------------------------

contexts = table(
    "contexts",
    key("installation_id"),
    key("id", text(40)),
    column("name", text(200)),
    column("owner", text(120)),
    # json, text.
    column("kind", text(10)),
    column("version", Big),
    maybe("task_id", text(40)),
    column("created_at", Big),
    column("updated_at", Big),
    sa.Index("ix_contexts_owner", "installation_id", "owner", "id"),
    sa.Index("ix_contexts_task", "installation_id", "task_id", "id"),
)
# Only ever added to. The checksum is that of the content before it was sealed.
context_versions = table(
    "context_versions",
    key("installation_id"),
    key("context_id", text(40)),
    key("version"),
    column("author", text(120)),
    column("at", Big),
    column("note", text(500), "''"),
    column("checksum", text(64)),
    # Of the content, in bytes of UTF-8.
    column("size", Big),
    # Which secret it is sealed under.
    column("key_id", text(20)),
    column("sealed", Bytes),
    sa.Index("ix_context_versions_key", "key_id"),
)
context_grants = table(
    "context_grants",
    key("installation_id"),
    key("context_id", text(40)),
    # An agent's id, role:developer, task:<id>.
    key("grantee", text(140)),
    # read, write.
    column("access", text(10)),
    column("granted_by", text(120)),
    column("granted_at", Big),
    sa.Index("ix_context_grants_grantee", "installation_id", "grantee", "context_id"),
)
# Several contexts as they were at one moment: versions by context id.
context_snapshots = table(
    "context_snapshots",
    key("installation_id"),
    key("id", text(40)),
    column("name", text(200)),
    column("author", text(120)),
    column("at", Big),
    column("members", Json),
    sa.Index("ix_context_snapshots_author", "installation_id", "author", "id"),
)

# --- What happened --------------------------------------------------------------------------------

heads = table("heads", key("installation_id"), column("seq", Big))
events = table(
    "events",
    key("installation_id"),
    key("seq"),
    column("at", Big),
    column("kind", text(60)),
    column("subject", text(120)),
    column("actor", text(120)),
    column("data", Json),
    # Whom it is for: everybody, or one agent alone.
    maybe("audience", text(64)),
    maybe("repository_id", Big),
    sa.Index("ix_events_subject", "installation_id", "subject", "seq"),
)
audit = table(
    "audit",
    key("installation_id"),
    key("seq"),
    column("at", Big),
    column("actor", text(120)),
    column("operation", text(60)),
    column("subject", text(120)),
    column("data", Json),
)
# The answers of committed mutations, by request key: a lost COMMIT is answered from here.
requests = table(
    "requests",
    key("installation_id"),
    key("request_key", text(80)),
    column("at", Big),
    column("result", Json),
    sa.Index("ix_requests_at", "at"),
)

# --- What the processes share ---------------------------------------------------------------------

facts = table("facts", key("name", text(60)), column("value", text(500)))
