"""What waits for a person: one query for each kind of trouble.

A query looks at the newest `WINDOW` rows of its index, so that it stays fast beside a long history.
"""

from collections.abc import Callable
from typing import TypeAlias, TypedDict

from store.engine import reach, sql
from store.engine.origins import BOT
from store.engine.reach import Reach
from store.engine.sql import Dialect
from store.engine.transaction import Tx
from store.messages.wait_circles import LIVING
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.usage import DRAIN

WINDOW = 500
# How much of a text is read.
EXCERPT = 300
OPEN_TASK = "t.state NOT IN ('completed', 'failed', 'cancelled')"
IN_PLACE = "r.id AS repository_id, r.full_name, r.private"
NOWHERE = "NULL AS repository_id, NULL AS full_name, NULL AS private"
NO_FIGURES = "NULL AS amount, NULL AS level"
OF_TASK = "t.id AS task_id, t.number, t.title, t.outsider, t.priority"
OF_NO_TASK = "NULL AS task_id, NULL AS number, NULL AS title, NULL AS outsider, NULL AS priority"
# Conditions on the repository `r` of a row, if it has one.
COVERED = f"{VISIBLE} AND {PRESENT}"


class Trouble(TypedDict):
    """One row. `subject` names the thing that is in trouble; `number` is its issue's or pull's."""

    subject: str
    agent: str | None
    since: int
    detail: str | None
    amount: int | None
    level: int | None
    repository_id: int | None
    full_name: str | None
    private: int | None
    task_id: str | None
    number: int | None
    title: str | None
    outsider: str | None
    priority: int | None


Source: TypeAlias = Callable[[Dialect], str]


def _join(table: str, on: str) -> str:
    return f"JOIN {table} r ON r.installation_id = :i AND r.id = {on} AND {COVERED}"


def _task(index: str, where: str, since: str, detail: str, order: str) -> Source:
    """Tasks in the order of an index, the newest first."""

    def source(dialect: Dialect) -> str:
        newest = (
            "SELECT id, repository_id, issue_id, number, title, outsider, priority, state, held, "
            f"last_holder, {since} AS since, SUBSTR({detail}, 1, {EXCERPT}) AS detail "
            f"FROM {sql.by_index(dialect, 'tasks', index)} WHERE installation_id = :i "
            f"AND {where} ORDER BY {order} DESC LIMIT {WINDOW}"
        )
        return (
            f"SELECT t.id AS subject, t.last_holder AS agent, t.since, t.detail, {NO_FIGURES}, "
            f"{IN_PLACE}, {OF_TASK} FROM ({newest}) t {_join('repositories', 't.repository_id')} "
            "WHERE 1 = 1"
        )

    return source


def _questions(dialect: Dialect) -> str:
    asked = _task("ix_tasks_asked", "asked_at > 0", "asked_at", "question", "asked_at")
    return f"{asked(dialect)} AND {OPEN_TASK}"


def _stuck_tasks(dialect: Dialect) -> str:
    stuck = _task("ix_tasks_stuck", "stuck_at > 0", "stuck_at", "held_why", "stuck_at")
    return f"{stuck(dialect)} AND t.held = 1 AND {OPEN_TASK}"


def _failed_tasks(dialect: Dialect) -> str:
    """Whose issue is open: who closed it has decided."""
    since = "COALESCE(ended_at, updated_at)"
    newest = _task("ix_tasks_newest", "state = 'failed'", since, "result", "created_at")
    closed = (
        "SELECT 1 FROM issues n WHERE n.installation_id = :i AND n.id = t.issue_id "
        "AND (n.state = 'closed' OR n.deleted = 1)"
    )
    return f"{newest(dialect)} AND NOT EXISTS ({closed})"


def _steps_of_absent_agents(dialect: Dialect) -> str:
    """Steps of workflows that are kept for the agent that they name, which cannot claim."""
    newest = _task(
        "ix_tasks_newest", "state = 'assigned'", "assigned_at", "assigned_to", "created_at"
    )
    offered = (
        "SELECT 1 FROM step_offers o LEFT JOIN agents a ON a.installation_id = :i "
        "AND a.id = o.agent_id WHERE o.installation_id = :i AND o.task_id = t.id "
        "AND o.agent_id = t.detail AND o.until_at IS NULL "
        "AND (a.id IS NULL OR a.left_at IS NOT NULL OR a.paused_at IS NOT NULL)"
    )
    return f"{newest(dialect)} AND EXISTS ({offered})"


# Of the definition of a step. As a parameter, because Vitess reads double quotes as a name's.
GATE = '"approve":'


def _gates(dialect: Dialect) -> str:
    """Open steps of running workflows that only votes can end."""
    running = (
        f"SELECT id FROM {sql.by_index(dialect, 'workflows', 'ix_workflows_state')} "
        "WHERE installation_id = :i AND state = 'running' "
        f"ORDER BY created_at DESC, id DESC LIMIT {WINDOW}"
    )
    return (
        "SELECT t.id AS subject, NULL AS agent, s.opened_at AS since, t.held_why AS detail, "
        f"{NO_FIGURES}, {IN_PLACE}, {OF_TASK} FROM ({running}) w {sql.IN_ORDER[dialect]} "
        f"{sql.by_index(dialect, 'workflow_steps s', 'PRIMARY')} ON s.installation_id = :i "
        "AND s.workflow_id = w.id JOIN tasks t ON t.installation_id = :i AND t.id = s.task_id "
        f"{_join('repositories', 't.repository_id')} WHERE s.state = 'open' AND t.held = 1 "
        f"AND INSTR(s.definition, :gate) > 0 AND {OPEN_TASK}"
    )


def _plans(dialect: Dialect) -> str:
    newest = (
        "SELECT id, repository_id, task_id, proposed_by, size, created_at FROM "
        f"{sql.by_index(dialect, 'plan_proposals', 'ix_plan_proposals_state')} "
        "WHERE installation_id = :i AND state = 'waiting' "
        f"ORDER BY created_at DESC LIMIT {WINDOW}"
    )
    return (
        "SELECT p.id AS subject, p.proposed_by AS agent, p.created_at AS since, NULL AS detail, "
        f"p.size AS amount, NULL AS level, {IN_PLACE}, {OF_TASK} FROM ({newest}) p "
        "JOIN tasks t ON t.installation_id = :i AND t.id = p.task_id "
        f"{_join('repositories', 'p.repository_id')} WHERE {OPEN_TASK}"
    )


def _writes(state: str, where: str) -> Source:
    """Writes without a later one that did the same, and whose task is still open."""

    def source(dialect: Dialect) -> str:
        newest = (
            "SELECT id, seq, kind, target, repository_id, author, task_id, error, "
            "COALESCE(finished_at, sending_at, queued_at) AS since "
            f"FROM {sql.by_index(dialect, 'writes', 'ix_writes_queue')} "
            f"WHERE installation_id = :i AND state = '{state}' ORDER BY seq DESC LIMIT {WINDOW}"
        )
        repeated = (
            f"SELECT 1 FROM {sql.by_index(dialect, 'writes n', 'ix_writes_target')} "
            "WHERE n.installation_id = :i AND n.target = w.target AND n.state = 'sent' "
            "AND n.seq > w.seq AND n.kind = w.kind"
        )
        return (
            f"SELECT w.id AS subject, w.author AS agent, w.since, w.error AS detail, "
            f"{NO_FIGURES}, {IN_PLACE}, {OF_TASK} FROM ({newest}) w "
            f"LEFT JOIN tasks t ON t.installation_id = :i AND t.id = w.task_id "
            f"{_join('repositories', 'w.repository_id')} "
            f"WHERE {where} AND (t.id IS NULL OR {OPEN_TASK}) AND NOT EXISTS ({repeated})"
        )

    return source


def _budgets(_: Dialect) -> str:
    return (
        "SELECT b.resource AS subject, NULL AS agent, b.recorded_at AS since, NULL AS detail, "
        "CASE WHEN b.blocked_until > :now THEN b.blocked_until ELSE b.reset_at END AS amount, "
        f"NULL AS level, {NOWHERE}, {OF_NO_TASK} FROM budgets b WHERE b.installation_id = :i "
        "AND (b.blocked_until > :now OR (b.remaining <= 0 AND b.reset_at > :now))"
    )


def _spend_caps(_: Dialect) -> str:
    place = "COALESCE(t.repository_id, h.repository_id)"
    return (
        "SELECT h.scope AS subject, h.agent_id AS agent, h.since, h.currency AS detail, "
        f"h.cap AS amount, h.level, {IN_PLACE}, {OF_TASK} FROM spend_holds h "
        "LEFT JOIN tasks t ON t.installation_id = :i AND t.id = h.task_id "
        f"LEFT JOIN repositories r ON r.installation_id = :i AND r.id = {place} AND {COVERED} "
        f"WHERE h.installation_id = :i AND h.level >= {DRAIN} AND (r.id IS NOT NULL OR {place} = 0)"
    )


def _team_budgets(dialect: Dialect) -> str:
    """Budgets that are used up, but not the limits of runs."""
    newest = (
        "SELECT agent_id, tokens, cost, spent_cost, reached_at FROM "
        f"{sql.by_index(dialect, 'agent_budgets', 'ix_agent_budgets_reached')} "
        f"WHERE installation_id = :i AND reached_at > 0 AND set_by <> '{BOT}' "
        f"ORDER BY reached_at DESC LIMIT {WINDOW}"
    )
    return (
        "SELECT b.agent_id AS subject, b.agent_id AS agent, b.reached_at AS since, NULL AS detail, "
        "CASE WHEN b.spent_cost >= b.cost THEN b.cost ELSE NULL END AS amount, b.tokens AS level, "
        f"{NOWHERE}, {OF_NO_TASK} FROM ({newest}) b "
        "JOIN agents a ON a.installation_id = :i AND a.id = b.agent_id WHERE a.left_at IS NULL"
    )


def _reused_codes(dialect: Dialect) -> str:
    """Codes of moves that somebody else tried to use again."""
    return (
        "SELECT c.id AS subject, c.actor AS agent, c.advanced_at AS since, NULL AS detail, "
        f"c.generation AS amount, NULL AS level, {NOWHERE}, {OF_NO_TASK} "
        f"FROM {sql.by_index(dialect, 'credentials c', 'ix_credentials_ends')} "
        "WHERE c.installation_id = :i AND c.expires_at >= :recent AND c.kind = 'invitation' "
        "AND c.generation > 0"
    )


def _damaged_contexts(dialect: Dialect) -> str:
    """Contexts of running workflows of which a version was found damaged."""
    damage = (
        "SELECT MAX(e.at) FROM events e WHERE e.installation_id = :i AND e.subject = w.context_id "
        "AND e.kind = 'context.broken'"
    )
    running = (
        f"SELECT w.context_id, w.name, w.parent_task_id, ({damage}) AS since "
        f"FROM {sql.by_index(dialect, 'workflows w', 'ix_workflows_state')} "
        "WHERE w.installation_id = :i AND w.state = 'running' "
        f"ORDER BY w.created_at DESC LIMIT {WINDOW}"
    )
    return (
        f"SELECT w.context_id AS subject, NULL AS agent, w.since, w.name AS detail, {NO_FIGURES}, "
        f"{IN_PLACE}, {OF_TASK} FROM ({running}) w "
        "JOIN tasks t ON t.installation_id = :i AND t.id = w.parent_task_id "
        f"{_join('repositories', 't.repository_id')} WHERE w.since >= :recent"
    )


def _dead_agents(dialect: Dialect) -> str:
    """Agents that have not called since their last lease expired."""
    newest = (
        f"SELECT holder, ended_at FROM {sql.by_index(dialect, 'leases', 'ix_leases_expired')} "
        "WHERE installation_id = :i AND state = 'expired' AND ended_at >= :recent "
        f"ORDER BY ended_at DESC LIMIT {WINDOW}"
    )
    last = f"SELECT holder, MAX(ended_at) AS since FROM ({newest}) q GROUP BY holder"
    return (
        "SELECT a.id AS subject, a.id AS agent, l.since, NULL AS detail, a.last_active_at AS "
        f"amount, NULL AS level, {NOWHERE}, {OF_NO_TASK} "
        f"FROM ({last}) l JOIN agents a ON a.installation_id = :i AND a.id = l.holder "
        "WHERE a.left_at IS NULL AND a.paused_at IS NULL AND a.last_active_at < l.since"
    )


def _deadlocks(_: Dialect) -> str:
    """Circles of agents that wait for each other, as long as all of their waits exist."""
    circles = (
        "SELECT circle_id, GROUP_CONCAT(waiter) AS agents, MIN(found_at) AS since "
        f"FROM wait_circles q WHERE q.installation_id = :i AND {LIVING} GROUP BY circle_id"
    )
    return (
        "SELECT d.circle_id AS subject, NULL AS agent, d.since, d.agents AS detail, "
        f"{NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM ({circles}) d WHERE 1 = 1"
    )


def _runs(state: str) -> Source:
    """Runs without a later one for their task, and whose task is still open."""

    def source(dialect: Dialect) -> str:
        newest = (
            "SELECT id, repository_id, task_id, template, why, created_at, ended_at "
            f"FROM {sql.by_index(dialect, 'agent_runs', 'ix_agent_runs_ended')} "
            f"WHERE installation_id = :i AND state = '{state}' AND ended_at >= :recent "
            f"ORDER BY ended_at DESC LIMIT {WINDOW}"
        )
        later = (
            f"SELECT 1 FROM {sql.by_index(dialect, 'agent_runs n', 'ix_agent_runs_task')} "
            "WHERE n.installation_id = :i AND n.task_id = a.task_id "
            "AND n.created_at > a.created_at"
        )
        return (
            f"SELECT a.id AS subject, a.template AS agent, a.ended_at AS since, a.why AS detail, "
            f"{NO_FIGURES}, {IN_PLACE}, {OF_TASK} FROM ({newest}) a "
            "LEFT JOIN tasks t ON t.installation_id = :i AND t.id = a.task_id "
            f"{_join('repositories', 'a.repository_id')} "
            f"WHERE (t.id IS NULL OR {OPEN_TASK}) AND NOT EXISTS ({later})"
        )

    return source


def _deliveries(dialect: Dialect) -> str:
    newest = (
        f"SELECT guid, event, action, repository_id, error, received_at "
        f"FROM {sql.by_index(dialect, 'deliveries', 'ix_deliveries_received')} "
        f"WHERE installation_id = :i AND state = 'dead' ORDER BY received_at DESC LIMIT {WINDOW}"
    )
    return (
        "SELECT d.guid AS subject, NULL AS agent, d.received_at AS since, d.event AS detail, "
        f"{NO_FIGURES}, {IN_PLACE}, {OF_NO_TASK} FROM ({newest}) d LEFT JOIN repositories r "
        f"ON r.installation_id = :i AND r.id = d.repository_id AND {COVERED} "
        "WHERE (r.id IS NOT NULL OR d.repository_id IS NULL)"
    )


def _checks(dialect: Dialect) -> str:
    newest = (
        "SELECT repository_id, head_sha, at FROM "
        f"{sql.by_index(dialect, 'head_checks', 'ix_head_checks_newest')} "
        f"WHERE installation_id = :i AND conclusion = 'failure' ORDER BY at DESC LIMIT {WINDOW}"
    )
    pulls = sql.by_index(dialect, "pull_requests p", "ix_pull_requests_head")
    return (
        f"SELECT p.id AS subject, p.author AS agent, h.at AS since, NULL AS detail, {NO_FIGURES}, "
        f"{IN_PLACE}, NULL AS task_id, p.number, p.title, p.author AS outsider, NULL AS priority "
        f"FROM ({newest}) h {sql.IN_ORDER[dialect]} {pulls} ON p.installation_id = :i "
        "AND p.repository_id = h.repository_id AND p.head_sha = h.head_sha "
        f"{_join('repositories', 'p.repository_id')} WHERE p.state = 'open' AND p.deleted = 0"
    )


def _flags(_: Dialect) -> str:
    """Feature flags that Hubbub turned off, here or for all installations (0)."""
    return (
        "SELECT f.name AS subject, NULL AS agent, f.changed_at AS since, f.why AS detail, "
        f"{NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM feature_flags f "
        "WHERE f.installation_id IN (0, :i) AND f.state = 'fallen_back'"
    )


def _failing_plugins(_: Dialect) -> str:
    return (
        "SELECT u.plugin AS subject, NULL AS agent, u.changed_at AS since, "
        f"u.why AS detail, {NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM plugin_installations u "
        "WHERE u.installation_id = :i AND u.state = 'failing'"
    )


def _dead_forwards(_: Dialect) -> str:
    """Apps with deliveries that were given up, by the newest of them."""

    def newest(column: str) -> str:
        return (
            f"(SELECT f.{column} FROM plugin_forwards f WHERE f.installation_id = :i "
            "AND f.plugin = u.plugin AND f.state = 'dead' ORDER BY f.received_at DESC LIMIT 1)"
        )

    return (
        f"SELECT q.subject, NULL AS agent, q.since, q.detail, {NO_FIGURES}, {NOWHERE}, "
        f"{OF_NO_TASK} FROM (SELECT u.plugin AS subject, {newest('received_at')} AS since, "
        f"{newest('why')} AS detail FROM plugin_installations u "
        "WHERE u.installation_id = :i AND u.state = 'on') q WHERE q.since IS NOT NULL"
    )


def _unreachable_agents(_: Dialect) -> str:
    return (
        "SELECT x.agent_id AS subject, x.agent_id AS agent, x.last_failure_at AS since, "
        f"x.why AS detail, {NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM agent_endpoints x "
        "WHERE x.installation_id = :i AND x.state = 'failing'"
    )


def _failing_trackers(_: Dialect) -> str:
    return (
        "SELECT x.name AS subject, NULL AS agent, x.last_failure_at AS since, "
        f"x.health_why AS detail, {NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM trackers x "
        "WHERE x.installation_id = :i AND x.health = 'failing' AND x.state = 'running'"
    )


# How a proposed change begins that a person rejected. Vitess reads double quotes as a name's.
REJECTED = '{"rejected_by":'


def _parked_tools(_: Dialect) -> str:
    """Tools whose change nobody has decided about. `amount`: how many versions were accepted."""
    return (
        "SELECT x.name AS subject, m.name AS agent, x.changed_at AS since, NULL AS detail, "
        f"x.version AS amount, NULL AS level, {NOWHERE}, {OF_NO_TASK} FROM tools x "
        "JOIN mounts m ON m.installation_id = :i AND m.id = x.mount_id "
        "WHERE x.installation_id = :i AND x.state = 'parked' AND m.state = 'running' "
        f"AND SUBSTR(x.proposed, 1, {len(REJECTED)}) <> :rejected"
    )


def _dead_notifications(dialect: Dialect) -> str:
    """Those to targets that got no later one."""
    newest = (
        "SELECT id, target_id, error, ended_at FROM "
        f"{sql.by_index(dialect, 'notifications', 'ix_notifications_state')} "
        "WHERE installation_id = :i AND state = 'dead' AND ended_at >= :recent "
        f"ORDER BY ended_at DESC LIMIT {WINDOW}"
    )
    later = (
        f"SELECT 1 FROM {sql.by_index(dialect, 'notifications s', 'ix_notifications_target')} "
        "WHERE s.installation_id = :i AND s.target_id = n.target_id AND s.state = 'sent' "
        "AND s.ended_at > n.ended_at"
    )
    return (
        "SELECT x.id AS subject, x.name AS agent, MAX(n.ended_at) AS since, "
        f"MAX(n.error) AS detail, {NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM ({newest}) n "
        "JOIN notification_targets x ON x.installation_id = :i AND x.id = n.target_id "
        f"WHERE x.state = 'active' AND NOT EXISTS ({later}) GROUP BY x.id, x.name"
    )


def _stopped_targets(_: Dialect) -> str:
    return (
        "SELECT x.id AS subject, x.name AS agent, x.since, x.why AS detail, "
        f"{NO_FIGURES}, {NOWHERE}, {OF_NO_TASK} FROM notification_targets x "
        "WHERE x.installation_id = :i AND x.state = 'stopped'"
    )


# By kind, in the order in which people read them.
SOURCES: dict[str, Source] = {
    "question": _questions,
    "gate": _gates,
    "plan": _plans,
    "task_failed": _failed_tasks,
    "task_stuck": _stuck_tasks,
    "step_agent_away": _steps_of_absent_agents,
    "deadlock": _deadlocks,
    "context_damaged": _damaged_contexts,
    "agent_died": _dead_agents,
    "run_failed": _runs("failed"),
    "run_not_started": _runs("not_started"),
    "write_refused": _writes("refused", "w.since >= :recent"),
    "write_unknown": _writes("unknown", "w.since <= :settled"),
    "write_dead": _writes("dead", "w.since >= :recent"),
    "spend_cap": _spend_caps,
    "team_budget": _team_budgets,
    "move_code_reused": _reused_codes,
    "budget_exhausted": _budgets,
    "delivery_dead": _deliveries,
    "check_failed": _checks,
    "agent_unreachable": _unreachable_agents,
    "tracker_failing": _failing_trackers,
    "tool_parked": _parked_tools,
    "plugin_failing": _failing_plugins,
    "forward_dead": _dead_forwards,
    "flag_fell_back": _flags,
    "notification_dead": _dead_notifications,
    "target_stopped": _stopped_targets,
}
# Everybody in the installation may see these.
OF_NO_REPOSITORY = (
    *(
        "deadlock",
        "agent_died",
        "team_budget",
        "move_code_reused",
        "budget_exhausted",
        "agent_unreachable",
        "plugin_failing",
        "forward_dead",
        "flag_fell_back",
    ),
    *("tracker_failing", "tool_parked", "notification_dead", "target_stopped"),
)


async def of_kind(
    tx: Tx,
    installation_id: int,
    kind: str,
    *,
    recent: int,
    settled: int,
    repositories: Reach = None,
) -> list[Trouble]:
    """The troubles of a kind, the newest first, at most `WINDOW`.

    `recent`: what happened before is over. `settled`: writes that became unknown later may still
    be found by themselves. `repositories`: those within reach.
    """
    within = None if kind in OF_NO_REPOSITORY else repositories
    q = SOURCES[kind](tx.dialect) + reach.none_or_within(within, "r.id")
    given = {"recent": recent, "settled": settled, "now": await tx.now(), "gate": GATE}
    given["rejected"] = REJECTED
    used = {name: value for name, value in given.items() if f":{name}" in q}
    return await tx.all(
        f"{q} ORDER BY since DESC LIMIT {WINDOW}",
        i=installation_id,
        **used,
        **reach.parameters(within),
    )
