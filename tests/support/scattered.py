"""The functions of the store whose statements go to all shards, and why that is right."""

METRICS = "a sum over all installations, when something reads /metrics or /readyz"
LOOP = "a background loop looks which installations have something to do"
START = "once when `serve` starts"
COMMAND = "a command that an operator types"

SCATTERED: dict[str, str] = {
    "store.agents.agents.health_reports": METRICS,
    "store.audit.seals.installations": COMMAND,
    "store.audit.seals.last_of_each": METRICS,
    "store.audit.seals.unsealed_numbers": LOOP,
    "store.backup.epochs.installations": COMMAND,
    "store.backup.target.is_filled": COMMAND,
    "store.backup.target.used_until": COMMAND,
    "store.clock.mend": "once when `serve` starts, and after a clock was set back",
    "store.fetch.backfills.long_refused": LOOP,
    "store.fetch.backfills.owners_without_backfill": LOOP,
    "store.fetch.backfills.progress": COMMAND,
    "store.fetch.backfills.repositories_without_backfill": LOOP,
    "store.fetch.backfills.unfinished_repositories": METRICS,
    "store.fetch.pending_reads.given_up": COMMAND,
    "store.figures.agents_by_state": METRICS,
    "store.figures.lease_ends": METRICS,
    "store.figures._waits": METRICS,
    "store.identity.credentials.people_logged_in": "the worker, after GitHub said that permissions "
    "may have changed: a person may have sessions in several installations",
    "store.identity.credentials.revoke_of_person": "the worker, after a person took back their "
    "consent on GitHub",
    "store.identity.credentials.revoked_since": "a process reads at most twice a second what was "
    "revoked in all installations, however many requests it answers",
    "store.identity.sealed_rows.counts": COMMAND,
    "store.identity.sealed_rows.lock_batch": COMMAND,
    "store.identity.sealed_rows.tokens": COMMAND,
    "store.inbox.backlog.behind": METRICS,
    "store.inbox.backlog.by_state": METRICS,
    "store.inbox.commands._with_waiting": LOOP,
    "store.inbox.deliveries._due": LOOP,
    "store.inbox.deliveries.counts": COMMAND,
    "store.inbox.deliveries.installations_of": COMMAND,
    "store.inbox.deliveries.newest": COMMAND,
    "store.inbox.deliveries.oldest": METRICS,
    "store.inbox.diagnostics.newest": COMMAND,
    "store.inbox.missed_deliveries.count": METRICS,
    "store.inbox.missed_deliveries.due": LOOP,
    "store.inbox.missed_deliveries.newest": COMMAND,
    "store.inbox.missed_deliveries.next_at": LOOP,
    "store.messages.consultations.overdue": LOOP,
    "store.messages.consultations.without_agent": LOOP,
    "store.messages.dead_letters.with_expired_receipts": LOOP,
    "store.messages.wait_circles.with_broken": LOOP,
    "store.mirror.board_syncs.due_to_look": LOOP,
    "store.mirror.board_syncs.due_to_sweep": LOOP,
    "store.mirror.search_index._following": "fills the search index once, after an upgrade",
    "store.mirror.settings_files.with_unknown_board": LOOP,
    "store.mirror.stored_installations.app_ids": LOOP,
    "store.mirror.stored_installations.installation_of": COMMAND,
    "store.mirror.stored_installations.present_installations": LOOP,
    "store.mirror.stored_repositories.present_repositories": LOOP,
    "store.mounts.mounts.by_health": METRICS,
    "store.mounts.mounts.due": LOOP,
    "store.protocols.endpoints.due": LOOP,
    "store.notifications.noticed.due": LOOP,
    "store.notifications.notifications.due": LOOP,
    "store.outbox.sender_leases.latest": METRICS,
    "store.outbox.sender_leases.release": "once when `serve` ends",
    "store.outbox.write_order.waiting_installations": LOOP,
    "store.plugins.plugin_installations.due": LOOP,
    "store.plugins.plugin_installations.remove": COMMAND,
    "store.retention.drop_settled": LOOP,
    "store.retention.gone_installations": LOOP,
    "store.retention.installations": LOOP,
    "store.runs.run_queue.due": LOOP,
    "store.runs.run_queue.waiting_repositories": LOOP,
    "store.runs.run_queue.waiting_s": METRICS,
    "store.schedules.all_after": START,
    "store.schedules.due": LOOP,
    "store.tasks.digests.due": LOOP,
    "store.tasks.leases.overdue": LOOP,
    "store.tasks.spend_holds.page": LOOP,
    "store.tasks.tasks.reserved_before": LOOP,
    "store.tasks.tasks.reserved_until": LOOP,
    "store.workflows.steps.with_due_run": LOOP,
    "store.workflows.steps.overdue": LOOP,
}
# What Vitess does in the shards one after the other, and why that is right.
ALLOWED: dict[str, str] = {
    "store.identity.sealed_rows.lock_batch": "`hubbub secret rotate` encrypts row after row. If "
    "only some shards commit, the next batch does the rest",
    "store.engine.remote_changes.look": "a PRAGMA, on SQLite only",
}
# Functions above that operations and servers may call, because an argument names the installation,
# or because their answer is not for one request.
NOT_FOR_ONE_REQUEST: dict[str, str] = {
    "store.tasks.leases.overdue": "a claim passes its installation",
    "store.fetch.backfills.unfinished_repositories": "a call passes its installation",
    "store.identity.credentials.revoked_since": "once in half a second for all requests",
}
