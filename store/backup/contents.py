"""What a backup contains: for each table its rows, or why it has none."""

from dataclasses import dataclass

from store.tables import TABLES
from store.tables.columns import Table


@dataclass(frozen=True)
class Whole:
    """Every row of the table."""

    why: str


@dataclass(frozen=True)
class Part:
    """The rows that `where` selects. `without`: which rows are left out."""

    where: str
    without: str
    why: str


@dataclass(frozen=True)
class Nothing:
    """No row. `unless_code`: every row, if the backup is asked to contain code."""

    why: str
    unless_code: bool = False


Content = Whole | Part | Nothing

# What each process writes for itself, or what a restore sets in its own way. `backup`: the turns
# of the schedule. `restore`: how far a restore is.
LEFT_OUT_FACTS = ("secret_key_id", "readiness", "search index", "backup turn", "restore")
# Tokens that administrators made, and the tokens of Actions that must not work twice.
KEPT_CREDENTIALS = ("api_key", "actions_token")

MIRROR = "the mirror: to read all of it again would use up the limits of GitHub for hours"
AGENTS = "the state of agents exists nowhere else"
HISTORY = "the history exists nowhere else"
LIMITS = "so that the limits of GitHub are kept after a restore too"


def _sql_list(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{each}'" for each in names)


CONTENTS: dict[str, Content] = {
    "installations": Whole(MIRROR),
    "repositories": Whole(MIRROR),
    "issues": Whole(MIRROR),
    "pull_requests": Whole(MIRROR),
    "comments": Whole(MIRROR),
    "reviews": Whole(MIRROR),
    "review_comments": Whole(MIRROR),
    "labels": Whole(MIRROR),
    "milestones": Whole(MIRROR),
    "review_threads": Whole(MIRROR),
    "relations": Whole(MIRROR),
    "transfers": Whole(MIRROR),
    "pull_links": Whole(MIRROR),
    "pull_files": Whole(MIRROR),
    "refs": Whole(MIRROR),
    "repository_settings": Whole(MIRROR),
    "search_texts": Nothing("the index of the texts: the server builds it again from the mirror"),
    "permissions": Nothing(
        "a cache: a permission that GitHub took away after the backup must not come back"
    ),
    "text_edits": Whole("GitHub does not say again who edited a text"),
    "people": Whole("the ids by which GitHub knows people whose logins changed"),
    "check_runs": Whole(MIRROR),
    "workflow_runs": Whole(MIRROR),
    "workflow_jobs": Whole(MIRROR),
    "head_checks": Whole("so that the same check is not posted again"),
    "check_overrides": Whole("decisions of people exist nowhere else"),
    "code_objects": Nothing(
        "a cache of files and diffs, up to 256 MiB for each installation; `--code` includes it",
        unless_code=True,
    ),
    "projects": Whole(MIRROR),
    "project_fields": Whole(MIRROR),
    "project_items": Whole(MIRROR),
    "project_values": Whole(MIRROR),
    "board_syncs": Whole("how boards are followed; a restore compares each board again"),
    "deliveries": Whole(
        "what was accepted but not processed yet, and the ids by which a delivery is known"
    ),
    "commands": Whole("so that a command runs once"),
    "lost_deliveries": Whole("what the mirror is known to lack"),
    "pending_reads": Whole("what the mirror is known to lack"),
    "backfills": Whole("how far each repository was read"),
    "writes": Whole("what was accepted but not sent yet, and what was sent"),
    "budgets": Whole(LIMITS),
    "senders": Nothing("which process sends: the leases belong to processes that are gone"),
    "allowances": Whole(LIMITS),
    "spending": Whole("who used how much of the limits"),
    "budget_samples": Whole("how the limits of GitHub went, which exists nowhere else"),
    "agents": Whole(AGENTS),
    "agent_budgets": Whole(AGENTS),
    "checkpoints": Whole(AGENTS),
    "credentials": Part(
        f"kind IN ({_sql_list(KEPT_CREDENTIALS)})",
        "sessions, invitations and codes",
        "tokens work on. Sessions are left out: one that ended after the backup must not come "
        "back, and a refresh token that was used after it would look stolen",
    ),
    "tasks": Whole(AGENTS),
    "leases": Whole(HISTORY + "; a restore ends the leases of agents"),
    "planned_relations": Whole(AGENTS),
    "digests": Whole("so that the digest's comment is edited, not posted again"),
    "agent_runs": Whole(AGENTS),
    "run_schedules": Whole("so that a scheduled run starts once"),
    "workflow_definitions": Whole(MIRROR),
    "workflows": Whole(AGENTS),
    "workflow_steps": Whole(AGENTS),
    "workflow_needs": Whole(AGENTS),
    "step_offers": Whole(AGENTS),
    "workflow_schedules": Whole("so that a scheduled workflow starts once"),
    "gate_votes": Whole("votes exist nowhere else"),
    "plan_proposals": Whole(AGENTS),
    "usage_reports": Whole(HISTORY),
    "usage_sums": Whole(HISTORY),
    "spend_holds": Whole("caps that were reached stay reached"),
    "verdicts": Whole("GitHub shows all agents as one App, so it does not know who reviewed"),
    "messages": Whole(AGENTS),
    "receipts": Whole(AGENTS),
    "notices": Whole(AGENTS),
    "consultations": Whole(AGENTS),
    "consultation_answers": Whole(AGENTS),
    "wait_circles": Whole(AGENTS),
    "contexts": Whole(AGENTS),
    "context_versions": Whole(AGENTS + "; the content stays encrypted with the main secret"),
    "context_grants": Whole(AGENTS),
    "context_snapshots": Whole(AGENTS),
    "blobs": Whole(AGENTS),
    "blob_chunks": Whole(AGENTS + "; the content stays encrypted with the main secret"),
    "uploads": Whole(AGENTS),
    "attachments": Whole(AGENTS),
    "attachment_uses": Whole(AGENTS),
    "file_usage": Whole(AGENTS),
    "heads": Whole("the last number of each installation, above which a restore goes on"),
    "events": Whole(HISTORY),
    "audit": Whole(HISTORY),
    "audit_seals": Whole(HISTORY),
    "feature_flags": Whole("what operators decided, and what fell back"),
    "tenants": Whole("what the operator set for accounts exists nowhere else"),
    "tenant_counts": Whole(HISTORY),
    "tenant_cursors": Whole("so that nothing is counted twice"),
    "flag_counts": Nothing(
        "counts of the last day, by which a canary falls back: they begin again"
    ),
    "notification_targets": Whole(
        "people chose where notifications go; the addresses stay encrypted with the main secret"
    ),
    "noticed_items": Whole("so that people are not notified again of the same"),
    "notifications": Whole("what was not sent yet"),
    "notification_sweeps": Whole("so that Hubbub goes on looking for what needs a person"),
    "mounts": Whole(
        "people connected these servers; the credentials stay encrypted with the main secret"
    ),
    "mount_log": Whole(HISTORY),
    "tools": Whole("which version of a tool was accepted, and what is allowed to it"),
    "plugins": Whole("what the operator installed"),
    "plugin_parts": Whole("the packages of plug-ins"),
    "plugin_trust": Whole("which publishers are trusted, and what is revoked"),
    "plugin_installations": Whole(
        "people turned these plug-ins on; the settings stay encrypted with the main secret"
    ),
    "plugin_values": Whole("plug-ins keep them; they stay encrypted with the main secret"),
    "plugin_card_lines": Whole("so that cards keep their lines"),
    "plugin_registries": Whole("so that an older index stays refused after a restore"),
    "plugin_ratings": Whole("so that plug-ins keep their ratings until the next look"),
    "plugin_forwards": Whole("what was not forwarded to apps yet"),
    "tool_calls": Whole(HISTORY),
    "tool_usage": Whole("so that daily limits on tools hold after a restore too"),
    "tool_cache": Nothing("an answer that is missing is asked for again"),
    "agent_endpoints": Whole(
        "people said where agents are reached; the addresses stay encrypted with the main secret"
    ),
    "endpoint_deliveries": Whole("what was not delivered to agents yet"),
    "protocol_contexts": Whole("so that clients of A2A go on in their contexts"),
    "trackers": Whole(
        "people connected these trackers; the tokens stay encrypted with the main secret"
    ),
    "tracker_links": Whole("which issue there became which task"),
    "tracker_reports": Whole("what was not reported there yet, and what was"),
    "endpoint_turns": Whole("so that a run with a model goes on where it was"),
    "requests": Whole("so that a call that is repeated with its key is done once"),
    "facts": Part(
        f"name NOT IN ({_sql_list(LEFT_OUT_FACTS)})",
        "facts about one process or one database",
        "such as the App to which the database belongs",
    ),
    "installation_facts": Whole("such as from where on events are kept"),
}


def in_backup(*, code: bool) -> list[tuple[Table, str]]:
    """The tables of a backup in the order of `store.tables`, each with its condition.

    A table that nobody listed is rather in it than lost; a test finds it.
    """
    unlisted = Whole("")
    found = (
        (table, _condition(CONTENTS.get(name, unlisted), code=code))
        for name, table in TABLES.items()
    )
    return [(table, where) for table, where in found if where]


def _condition(content: Content, *, code: bool) -> str:
    """Which rows, or '' if the backup has none of them."""
    if isinstance(content, Nothing):
        return "1 = 1" if content.unless_code and code else ""
    return content.where if isinstance(content, Part) else "1 = 1"
