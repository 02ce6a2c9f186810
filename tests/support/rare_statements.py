"""Statements that depend on an argument and that no usual call runs: each with sample arguments."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from bot.cli.secret_rotation import KINDS
from store import clock, figures, retention
from store.agents import agent_budgets, agents
from store.backup import target
from store.engine.origins import SERVER, Origin
from store.engine.sql import Dialect
from store.engine.transaction import BeforeCommit, Numbered, TaskKey, no_effects
from store.fetch import backfills
from store.files import attachments, blobs, uploads
from store.identity import credentials, sealed_rows
from store.inbox import deliveries, diagnostics, missed_deliveries
from store.mirror import (
    board_syncs,
    dependency_cycles,
    freshness,
    mirror_rows,
    permissions,
    referrers,
    search_index,
    stored_repositories,
    threads,
)
from store.mounts import mount_log, mounts, tool_calls, tool_lookup
from store.mounts import tools as tools_of_mounts
from store.outbox import issue_changes, sender_leases
from store.plugins import forwards, plugin_installations, plugin_values, plugins, registries
from store.protocols import endpoints
from store.runs import runs
from store.runs.run_schedules import RUNS
from store.schedules import Schedules
from store.tables import TABLES
from store.tasks import plan_holders, tasks
from store.trackers import links, reports, trackers
from store.workflows import steps as workflow_steps
from store.workflows.schedules import WORKFLOWS

SEALED = [each.where for each in KINDS]
# An installation, and a repository or any other id.
INSTALLATION, REPOSITORY = 1, 2
WHOLE: dict[str, dict[str, Any]] = {
    name: {each.name: 0 if each.type is int else "" for each in table.columns}
    for name, table in TABLES.items()
}
MOUNT: Any = WHOLE["mounts"]
TRACKER: Any = WHOLE["trackers"]
LINK: Any = WHOLE["tracker_links"]
REPORT: Any = WHOLE["tracker_reports"]
TOOL: Any = WHOLE["tools"]
SCHEDULES: list[tuple[Schedules[Any], dict[str, Any]]] = [
    (each, WHOLE[each.table]) for each in (RUNS, WORKFLOWS)
]


class ListingTx:
    """A transaction without a database that lists its statements. Nothing is ever found."""

    dialect: Dialect = "mariadb"

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.places: set[tuple[str, int]] = set()
        self.numbered: list[Numbered] = []
        self.rings: set[str] = set()
        self.origin: Origin = SERVER
        self.trace: str | None = None
        self.changed_tasks: set[TaskKey] = set()
        self.before_commit: BeforeCommit = no_effects

    async def now(self) -> int:
        return 1

    def _note(self, sql: str, caller: FrameType) -> None:
        self.statements.append(sql)
        self.places.add((caller.f_code.co_filename, caller.f_lineno))

    async def all(self, sql: str, **_: Any) -> list[Any]:
        self._note(sql, sys._getframe(1))
        return []

    async def one(self, sql: str, **_: Any) -> Any | None:
        self._note(sql, sys._getframe(1))
        return None

    async def run(self, sql: str, **_: Any) -> int:
        self._note(sql, sys._getframe(1))
        return 0

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        assert rows
        self._note(sql, sys._getframe(1))


Example = Callable[[ListingTx], Awaitable[Any]]
EXAMPLES: tuple[Example, ...] = (
    *(lambda tx, each=each: clock.mend(tx, each) for each in clock.TIMES),
    target.is_filled,
    lambda tx: target.insert_rows(
        tx, "issues", ("installation_id",), [[1]], {"backup": "b", "table": "issues", "rows": 1}
    ),
    figures.database_bytes,
    *(lambda tx, each=each: diagnostics.newest(tx, each, 5) for each in diagnostics.TABLES),
    lambda tx: backfills.forget(tx, INSTALLATION),
    lambda tx: backfills.forget(tx, INSTALLATION, REPOSITORY),
    backfills.progress,
    lambda tx: backfills.progress(tx, INSTALLATION),
    backfills.unfinished_repositories,
    lambda tx: backfills.unfinished_repositories(tx, INSTALLATION),
    lambda tx: agent_budgets.of_agents(tx, INSTALLATION, ["ada"]),
    lambda tx: agent_budgets.of_agents(tx, INSTALLATION, ["ada"], lock=True),
    lambda tx: agent_budgets.used_up(tx, INSTALLATION, ["ada"]),
    lambda tx: agents.team(tx, INSTALLATION, "ada", 5),
    lambda tx: credentials.bearers_of(tx, INSTALLATION, "ada"),
    lambda tx: plan_holders.below(tx, INSTALLATION, 3),
    lambda tx: runs.asked_by(tx, INSTALLATION, ["ada"]),
    lambda tx: credentials.change(tx, "key", name="a name"),
    *(lambda tx, each=each: sealed_rows.counts(tx, each) for each in SEALED),
    *(lambda tx, each=each: sealed_rows.lock_batch(tx, each, "id", 0, 5) for each in SEALED),
    *(
        lambda tx, each=each: sealed_rows.replace(tx, each, dict.fromkeys(each.key, ""), b"", "id")
        for each in SEALED
    ),
    lambda tx: deliveries.newest(tx, None, 5),
    lambda tx: deliveries.newest(tx, "dead", 5),
    lambda tx: missed_deliveries._known_guids(tx, INSTALLATION, ("guid",)),
    lambda tx: board_syncs.request_sweep(tx, INSTALLATION, REPOSITORY, 3),
    lambda tx: dependency_cycles._mark(
        tx, INSTALLATION, dependency_cycles.Edge("parent", 3, 4, False, True), cyclic=True
    ),
    lambda tx: freshness.dead_count(tx, INSTALLATION, [REPOSITORY]),
    lambda tx: mirror_rows._store(tx, "installations", WHOLE["installations"], "version"),
    lambda tx: mirror_rows.by_id(tx, "issues", INSTALLATION, [3]),
    *(
        lambda tx, each=each: mirror_rows.overwrite(tx, each, WHOLE[each])
        for each in ("issues", "repositories")
    ),
    lambda tx: mirror_rows.is_deleted(tx, "issues", INSTALLATION, 3),
    lambda tx: mirror_rows.hide(tx, "issues", WHOLE["issues"] | {"version": "2026 a"}, 5),
    lambda tx: mirror_rows.content(tx, "issues", INSTALLATION),
    lambda tx: mirror_rows.present(tx, "labels", INSTALLATION, REPOSITORY),
    lambda tx: permissions.forget(tx, INSTALLATION, REPOSITORY, "octocat"),
    lambda tx: permissions.stale_people(tx, INSTALLATION, REPOSITORY, "octocat"),
    lambda tx: referrers.threads_with(tx, INSTALLATION, REPOSITORY, "bug", None, 5),
    lambda tx: referrers.threads_with(tx, INSTALLATION, REPOSITORY, None, 3, 5),
    lambda tx: search_index._entries(
        tx, "installation_id = :i AND doc = :known", {"i": INSTALLATION}, {"doc": 3}
    ),
    lambda tx: search_index._entries(tx, "installation_id = :i", {"i": INSTALLATION}, None),
    lambda tx: search_index._change(
        tx, WHOLE["search_texts"], WHOLE["search_texts"] | {"terms": "w_new"}
    ),
    lambda tx: search_index._following(tx, "issues", INSTALLATION, 3, 5),
    lambda tx: threads.written_text(tx, "comments", INSTALLATION, 3),
    lambda tx: threads.text_row(tx, "comment", INSTALLATION, 3),
    lambda tx: issue_changes._set(tx, WHOLE["writes"], "seq = :v", 3),  # type: ignore[arg-type]
    lambda tx: sender_leases.record_mutation(tx, INSTALLATION, notifies=True),
    *(
        lambda tx, each=each: retention.drop_oldest(tx, each, INSTALLATION, 3, 5)
        for each in retention.GROWING
    ),
    lambda tx: stored_repositories.visible_ids(tx, INSTALLATION, [3]),
    lambda tx: mounts.add(tx, MOUNT),
    lambda tx: mounts.replace(tx, MOUNT),
    lambda tx: mounts.get(tx, INSTALLATION, "mount"),
    lambda tx: mounts.lock(tx, INSTALLATION, "mount"),
    lambda tx: mounts.by_name(tx, INSTALLATION, "tickets"),
    lambda tx: mounts.get_for_call(tx, INSTALLATION, "mount"),
    lambda tx: mounts.by_name_for_call(tx, INSTALLATION, "tickets"),
    lambda tx: mounts.document(tx, INSTALLATION, "mount", 1),
    lambda tx: mounts.all_of(tx, INSTALLATION),
    lambda tx: mounts.set_state(tx, INSTALLATION, "mount", "stopped", None),
    lambda tx: mounts.set_health(tx, MOUNT, "connected", None, 0, 5),
    lambda tx: mounts.set_health(tx, MOUNT, "failing", "away", 1, 5),
    lambda tx: mounts.due(tx, 3, 5),
    lambda tx: tool_calls.running_since(tx, 3, 5),
    lambda tx: mounts.take(tx, INSTALLATION, "mount", 3, 5),
    lambda tx: mounts.in_use(tx, INSTALLATION, ["mount"]),
    lambda tx: mounts.set_version(tx, INSTALLATION, "mount", 3),
    lambda tx: mounts.look_soon(tx, INSTALLATION, "mount", 5),
    lambda tx: mounts.remove(tx, INSTALLATION, "mount"),
    mounts.by_health,
    lambda tx: trackers.add(tx, TRACKER),
    lambda tx: trackers.get(tx, INSTALLATION, "x", lock=True),
    lambda tx: trackers.by_name(tx, INSTALLATION, "acme"),
    lambda tx: trackers.all_of(tx, INSTALLATION),
    lambda tx: trackers.change(tx, INSTALLATION, "x", state="paused"),
    lambda tx: trackers.due(tx, 5),
    lambda tx: trackers.take(tx, INSTALLATION, "x", 5),
    lambda tx: trackers.remove(tx, INSTALLATION, "x"),
    trackers.by_health,
    lambda tx: links.add(tx, [LINK]),
    lambda tx: links.lock(tx, INSTALLATION, "x", "7"),
    lambda tx: links.change(tx, LINK, due_at=None),
    lambda tx: links.remove(tx, LINK),
    lambda tx: links.due(tx, INSTALLATION, "x", 5),
    lambda tx: links.waiting(tx, INSTALLATION, "x", 5),
    lambda tx: links.to_look_at(tx, INSTALLATION, "x", 5),
    lambda tx: links.compare_all(tx, INSTALLATION, "x"),
    lambda tx: links.compare_tasks(tx, INSTALLATION, "x", ["t"]),
    lambda tx: links.look_at_missing(tx, INSTALLATION, "x", 3),
    lambda tx: links.mark_seen(tx, INSTALLATION, "x", ["7"], 3),
    lambda tx: links.counts(tx, INSTALLATION),
    lambda tx: links.newest(tx, INSTALLATION, "x", 5),
    lambda tx: links.next_times(tx, INSTALLATION, "x"),
    lambda tx: reports.add(tx, REPORT),
    lambda tx: reports.next_of(tx, INSTALLATION, "x"),
    lambda tx: reports.next_at(tx, INSTALLATION, "x"),
    lambda tx: reports.change(tx, REPORT, state="sent"),
    lambda tx: reports.has(tx, INSTALLATION, "x", "7", "completed:1:0"),
    lambda tx: reports.drop_queued(tx, INSTALLATION, "x", "7"),
    lambda tx: reports.counts(tx, INSTALLATION),
    lambda tx: reports.newest(tx, INSTALLATION, "x", 5),
    lambda tx: tools_of_mounts.of_mount(tx, INSTALLATION, "mount"),
    lambda tx: tools_of_mounts.get(tx, INSTALLATION, "mount", "search"),
    lambda tx: tools_of_mounts.add(tx, [TOOL]),
    lambda tx: tools_of_mounts.replace(tx, TOOL),
    lambda tx: tools_of_mounts.drop(tx, INSTALLATION, "mount", ["search"]),
    lambda tx: tools_of_mounts.counts(tx, INSTALLATION),
    lambda tx: mount_log.add(tx, INSTALLATION, "mount", 1, "info", "Connected."),
    lambda tx: mount_log.newest(tx, INSTALLATION, "mount", 5),
    plugins.all_of,
    plugins.revisions,
    lambda tx: plugins.get(tx, "echo"),
    lambda tx: plugins.digest_of(tx, "echo"),
    lambda tx: plugins.put(tx, WHOLE["plugins"]),  # type: ignore[arg-type]
    lambda tx: plugins.stop(tx, "echo", "digest", "It is revoked."),
    lambda tx: plugins.remove(tx, "echo"),
    lambda tx: plugins.put_part(tx, "digest", 0, b""),
    lambda tx: plugins.part(tx, "digest", 0),
    plugins.digests,
    lambda tx: plugins.remove_parts(tx, "digest", 5),
    plugins.trust_rows,
    lambda tx: plugins.put_trust(tx, "publisher", "key", "example"),
    lambda tx: plugins.remove_trust(tx, "publisher", "key"),
    lambda tx: plugins.trust_detail(tx, "index", "key"),
    lambda tx: plugin_installations.all_of(tx, INSTALLATION),
    lambda tx: plugin_installations.get(tx, INSTALLATION, "echo"),
    lambda tx: plugin_installations.turn_on(tx, INSTALLATION, "echo", "observer", b"", 3, "@a"),
    lambda tx: plugin_installations.turn_off(tx, INSTALLATION, "echo", "@a"),
    lambda tx: plugin_installations.remove(tx, "echo"),
    lambda tx: plugin_installations.turn_off_everywhere(tx, "echo", "It is revoked."),
    lambda tx: plugin_installations.forget_failures(tx, "echo"),
    lambda tx: plugin_installations.where_used(tx, "echo"),
    lambda tx: plugin_installations.note_failure(tx, INSTALLATION, "echo", "It failed."),
    registries.all_of,
    lambda tx: registries.get(tx, "acme/plugins"),
    lambda tx: registries.add(tx, "acme/plugins", "repository", "key", "@a"),
    lambda tx: registries.remove(tx, "acme/plugins"),
    lambda tx: registries.due(tx, 5),
    lambda tx: registries.look_later(tx, WHOLE["plugin_registries"], 5),  # type: ignore[arg-type]
    lambda tx: registries.put_place(tx, "acme/plugins", 1, 2, is_public=True),
    lambda tx: registries.put_index(tx, "acme/plugins", 1, b"", "digest"),
    lambda tx: registries.mark_failing(tx, "acme/plugins", "It is gone."),
    lambda tx: registries.put_rating(tx, INSTALLATION, REPOSITORY, 3, 4, 0),
    lambda tx: registries.ratings(tx, INSTALLATION, REPOSITORY, [3]),
    lambda tx: forwards.newer(tx, INSTALLATION, (5, "guid"), 10),
    lambda tx: forwards.add(tx, INSTALLATION, "echo", [WHOLE["deliveries"]]),  # type: ignore[list-item]
    lambda tx: forwards.waiting(tx, INSTALLATION, "echo", [3], 10),
    lambda tx: forwards.end_attempt(tx, WHOLE["plugin_forwards"], "dead", 5, "No."),  # type: ignore[arg-type]
    lambda tx: forwards.counts(tx, INSTALLATION, "echo"),
    lambda tx: forwards.dead(tx, INSTALLATION, "echo", 10),
    lambda tx: forwards.revive(tx, INSTALLATION, "echo"),
    lambda tx: plugin_installations.count_success(tx, INSTALLATION, "echo"),
    lambda tx: plugin_installations.count_failure(tx, INSTALLATION, "echo", "It failed.", 5),
    lambda tx: plugin_installations.due(tx, 5, ["echo"]),
    lambda tx: plugin_installations.take(tx, WHOLE["plugin_installations"], 5),  # type: ignore[arg-type]
    lambda tx: plugin_installations.advance(tx, WHOLE["plugin_installations"], 3, 5),  # type: ignore[arg-type]
    lambda tx: plugin_installations.put_lines(tx, INSTALLATION, "t_1", "echo", ["A line"]),
    lambda tx: plugin_values.get(tx, INSTALLATION, "echo", "a"),
    lambda tx: plugin_values.names(tx, INSTALLATION, "echo", "a", 5),
    lambda tx: plugin_values.count(tx, INSTALLATION, "echo"),
    lambda tx: plugin_values.add(tx, WHOLE["plugin_values"]),  # type: ignore[arg-type]
    lambda tx: plugin_values.change(tx, WHOLE["plugin_values"]),  # type: ignore[arg-type]
    lambda tx: plugin_values.remove(tx, INSTALLATION, "echo", "a", 1),
    lambda tx: plugin_installations.lines_of(tx, INSTALLATION, "t_1"),
    lambda tx: blobs.ensure(tx, WHOLE["blobs"]),  # type: ignore[arg-type]
    lambda tx: blobs.add(tx, WHOLE["blobs"]),  # type: ignore[arg-type]
    lambda tx: blobs.by_hash(tx, INSTALLATION, "hash"),
    lambda tx: blobs.mark_used(tx, INSTALLATION, "blob"),
    lambda tx: blobs.mark_if_unused(tx, INSTALLATION, "blob", 3),
    lambda tx: blobs.put_chunk(tx, WHOLE["blob_chunks"]),  # type: ignore[arg-type]
    lambda tx: blobs.set_text(tx, INSTALLATION, "blob", "none", None),
    lambda tx: blobs.text_parts(tx, INSTALLATION, "blob"),
    lambda tx: blobs.drop_chunks(tx, INSTALLATION, "blob", 5),
    lambda tx: uploads.advance(tx, INSTALLATION, "upload", 0, 5),
    lambda tx: uploads.drop(tx, INSTALLATION, "upload"),
    lambda tx: uploads.expire(tx, INSTALLATION, "upload", 3),
    lambda tx: attachments.detach(tx, INSTALLATION, "message", ["message"], 3),
    lambda tx: attachments.remove(tx, WHOLE["attachments"], 3),  # type: ignore[arg-type]
    lambda tx: endpoints.record_failure(tx, INSTALLATION, "me", "It failed.", gives_up=False),
    lambda tx: endpoints.record_failure(tx, INSTALLATION, "me", "It failed.", gives_up=True),
    lambda tx: tool_calls.add(tx, WHOLE["tool_calls"]),  # type: ignore[arg-type]
    lambda tx: tool_calls.end(tx, INSTALLATION, "call", {}),
    lambda tx: tool_calls.newest(tx, INSTALLATION, "mount", "tool", 5),
    lambda tx: tool_calls.lock_usage(tx, INSTALLATION, 1, "mount", "tool"),
    lambda tx: tool_calls.put_usage(tx, WHOLE["tool_usage"]),  # type: ignore[arg-type]
    lambda tx: tool_calls.give_back(tx, INSTALLATION, 1, "mount", "tool", 3),
    lambda tx: tool_calls.uncount(tx, INSTALLATION, 1, "mount", "tool", 3, 0),
    lambda tx: tool_lookup.active(tx, INSTALLATION, None),
    lambda tx: tool_lookup.schemas(tx, INSTALLATION, [("mount", "tool")]),
    lambda tx: tool_lookup.names(tx, INSTALLATION, "mount"),
    lambda tx: tool_lookup.pinned_tools(tx, INSTALLATION),
    lambda tx: tool_lookup.count_pinned(tx, INSTALLATION),
    lambda tx: tool_lookup.has_pinned(tx, INSTALLATION, "mount"),
    lambda tx: tool_calls.costs_of_day(tx, INSTALLATION, 1, 5),
    lambda tx: tool_calls.costs_of_task(tx, INSTALLATION, "task"),
    lambda tx: tool_calls.kept_answer(tx, INSTALLATION, "key", 3),
    lambda tx: tool_calls.keep_answer(tx, INSTALLATION, "key", ("mount", "tool"), 9, {}),
    lambda tx: retention.drop_bare_messages(tx, INSTALLATION, ["message"]),
    lambda tx: retention.drop_workflows(tx, INSTALLATION, 3, 5),
    lambda tx: workflow_steps.with_due_call(tx, INSTALLATION, 5),
    lambda tx: retention.drop_rows_of_workflows(tx, INSTALLATION, ["wf"]),
    lambda tx: retention.purge(tx, INSTALLATION, 5, removed=True),
    *(
        example
        for each, row in SCHEDULES
        for example in (
            lambda tx, each=each: each.of(tx, INSTALLATION, REPOSITORY),
            lambda tx, each=each, row=row: each.put(tx, row),
            lambda tx, each=each: each.remove(tx, INSTALLATION, REPOSITORY, "nightly"),
            lambda tx, each=each: each.due(tx, 5),
            lambda tx, each=each: each.all_after(tx, 3),
            lambda tx, each=each, row=row: each.advance(tx, row, 5),
        )
    ),
    lambda tx: tasks.visible_id(tx, INSTALLATION, "t_1"),
    lambda tx: tasks.of_issues(tx, INSTALLATION, [3], [REPOSITORY]),
)


# Those of them that go to all shards.
SCATTERED = {
    "store.backup.target.is_filled",
    "store.clock.mend",
    "store.fetch.backfills.progress",
    "store.fetch.backfills.unfinished_repositories",
    "store.identity.sealed_rows.counts",
    "store.identity.sealed_rows.lock_batch",
    "store.inbox.deliveries.newest",
    "store.inbox.diagnostics.newest",
    "store.mirror.search_index._following",
    "store.mounts.mounts.by_health",
    "store.mounts.mounts.due",
    "store.mounts.tool_calls.running_since",
    "store.plugins.plugin_installations.due",
    "store.plugins.plugin_installations.remove",
    "store.plugins.plugin_installations.turn_off_everywhere",
    "store.plugins.plugin_installations.forget_failures",
    "store.plugins.plugin_installations.where_used",
    "store.schedules.all_after",
    "store.schedules.due",
    "store.trackers.trackers.by_health",
    "store.trackers.trackers.due",
}


async def _run() -> ListingTx:
    tx = ListingTx()
    for example in EXAMPLES:
        await example(tx)
    return tx


async def statements() -> list[str]:
    return (await _run()).statements


async def places() -> set[tuple[str, int]]:
    return (await _run()).places
