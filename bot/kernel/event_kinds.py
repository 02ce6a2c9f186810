"""Every kind of event, and the fields that its `data` may have. docs/reference/events.md is equal.

The first part of a kind is its topic, see `bot.kernel.event_stream`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class EventKind:
    """`when` continues "it is recorded when". Fields may be missing if there is nothing to say."""

    when: str
    data: tuple[str, ...] = ()


SPEND = ("of", "whose", "level", "percent", "cap", "currency", "by")
MESSAGE = ("message", "thread", "sender", "priority", "task")
ENDED = ("why", "progress_before")
END_OF_LEASE = ("holder", "why")
RUN = ("run", "template", "asked_by", "task", "state", "outcome", "why", "workflow_run")
WORKFLOW = ("name", "parent", "why")
STEP = ("name", "parent", "step", "task", "attempt", "why")

KINDS: dict[str, EventKind] = {
    "task.created": EventKind("an issue became a task"),
    "task.ready": EventKind("the task can be claimed now", ("why", "to")),
    "task.claimed": EventKind("an agent or a person claimed the task", ("fence", "lease")),
    "task.assigned": EventKind("the task was reserved for an agent", ("to",)),
    "task.unassigned": EventKind("the reservation ended without a claim", ("to", "why")),
    "task.progress": EventKind("the holder reported progress", ("progress",)),
    "task.changed": EventKind(
        "its priority, size or capabilities changed", ("priority", "size", "capabilities")
    ),
    "task.asked": EventKind("the holder asked people a question", ("question", "asked")),
    "task.answered": EventKind("somebody answered the question", ("text", "comment_id")),
    "task.unasked": EventKind("the question could not be posted", ("why",)),
    "task.held": EventKind("somebody put the task on hold", ("why",)),
    "task.resumed": EventKind("the hold ended"),
    "task.pull": EventKind("a pull request for the task was opened", ("number",)),
    "task.in_progress": EventKind("work on the task went on, for example after a review", ("why",)),
    "task.in_review": EventKind("the task waits for a review", ("why",)),
    "task.completed": EventKind("the task was completed", ENDED),
    "task.failed": EventKind("the task failed", ENDED),
    "task.cancelled": EventKind("the task was cancelled", ("why",)),
    "task.pending": EventKind("an ended task was opened again, or its work was given up", ("why",)),
    "task.released": EventKind("the holder gave the task back", END_OF_LEASE),
    "task.revoked": EventKind("somebody else ended the holder's lease", (*END_OF_LEASE, "note")),
    "task.expired": EventKind("the holder's lease expired", END_OF_LEASE),
    "task.overlap": EventKind(
        "another claim or open pull request touches paths of the task; only its holder sees it",
        ("task", "holder", "pull_request", "paths", "same_symbols", "different_symbols"),
    ),
    "task.circle": EventKind("the task is in a cycle of blockers"),
    "task.commented": EventKind(
        "somebody commented on the task's issue or pull request",
        ("comment_id", "association", "pull"),
    ),
    "task.reviewed": EventKind(
        "somebody reviewed the task's pull request",
        ("review_id", "pull", "state", "body", "write_id"),
    ),
    "task.review_requested": EventKind(
        "an agent, a person or a team was asked to review the task's pull request",
        ("pull", "to", "message"),
    ),
    "task.checked": EventKind(
        "a check completed on the head of the task's pull request",
        ("check", "conclusion", "sha", "url"),
    ),
    "task.edited": EventKind(
        "the title or the description of the issue changed while somebody held the task", ("what",)
    ),
    "task.pull_blocked": EventKind(
        "Hubbub's check on a pull request for the task fails; `to` opened it", ("pull", "why", "to")
    ),
    "task.pull_allowed": EventKind("a person overrode that check; `to` opened it", ("pull", "to")),
    "task.pushed": EventKind(
        "somebody else than the holder pushed to the task's branch", ("branch", "head")
    ),
    "task.vote_asked": EventKind("agents may vote on the gate that the task is", ("agents",)),
    "task.voted": EventKind(
        "somebody voted on the gate that the task is", ("vote", "approvals", "needed", "note")
    ),
    "task.plan_proposed": EventKind(
        "the holder proposed steps for the task", ("plan", "size", "strategy")
    ),
    "task.plan_approved": EventKind(
        "the plan was approved, and became a workflow", ("plan", "workflow", "note")
    ),
    "task.plan_rejected": EventKind("the plan was rejected", ("plan", "note")),
    "task.plan_changed": EventKind(
        "the task, or the plan below it, changed while agents held tasks below it", ("what", "why")
    ),
    "task.spend": EventKind(
        "the reported spend on the task came near its cap, or reached it", SPEND
    ),
    "message.sent": EventKind("a message was sent to you", MESSAGE),
    "message.read": EventKind("a recipient read a message of yours", MESSAGE),
    "message.dead": EventKind(
        "a message of yours became a dead letter", (*MESSAGE, "why", "recipients", "count")
    ),
    "message.answered": EventKind(
        "an agent answered a question of yours, or voted", (*MESSAGE, "choice")
    ),
    "message.decided": EventKind(
        "a question to several agents ended: yours, or one that you got",
        ("message", "sender", "state", "outcome", "votes", "to", "why"),
    ),
    "context.created": EventKind("the context was created", ("version",)),
    "context.updated": EventKind("the context has a new version", ("version",)),
    "context.restored": EventKind("an old version became the newest", ("version", "restored")),
    "context.shared": EventKind("access to the context was given or taken", ("to", "access")),
    "context.broken": EventKind("a version of the context cannot be read", ("version", "why")),
    "agent.registered": EventKind("the agent registered, for the first time or after it left"),
    "agent.paused": EventKind(
        "the agent was paused; `with` is the agent above with which it was", ("note", "with")
    ),
    "agent.resumed": EventKind("the agent may work again", ("note", "with")),
    "agent.left": EventKind("the agent was unregistered", ("note", "with")),
    "agent.moved": EventKind("the agent goes on in another system", ("to", "by")),
    "agent.revoked": EventKind("the agent's last token was revoked", ("parent", "released")),
    "agent.deadlocked": EventKind(
        "agents wait for each other in a circle; each of them sees one", ("circle", "agents", "why")
    ),
    "agent.spend": EventKind(
        "another cap on spend was approached or reached; only the agent that reported sees it",
        SPEND,
    ),
    "agent.budget": EventKind(
        "the budget of the agent and all agents below it is used up", ("limit", "by")
    ),
    "agent.run_queued": EventKind("a run of the agent in GitHub Actions waits for a place", RUN),
    "agent.run_dispatched": EventKind("the workflow of the agent's run is being started", RUN),
    "agent.run_started": EventKind("the agent's run began to work", RUN),
    "agent.run_stopping": EventKind("the agent's run was asked to stop", RUN),
    "agent.run_reported": EventKind("the agent reported a result of its run", RUN),
    "agent.run_ended": EventKind("the agent's run ended; `state` says how", RUN),
    "agent.run_skipped": EventKind(
        "a schedule started no run this time, for example because its last run has not ended",
        ("template", "slot", "why"),
    ),
    "workflow.started": EventKind("a workflow was started", (*WORKFLOW, "slot")),
    "workflow.step_opened": EventKind("a step of the workflow can begin", STEP),
    "workflow.step_skipped": EventKind("a step is not needed; `why` says it", STEP),
    "workflow.step_added": EventKind("a person put an issue under the parent issue", STEP),
    "workflow.step_removed": EventKind("a person took an issue out of the workflow", STEP),
    "workflow.step_failed": EventKind("a step failed, after all its attempts", STEP),
    "workflow.completed": EventKind("every step of the workflow ended", WORKFLOW),
    "workflow.failed": EventKind("a step failed and the workflow stopped", WORKFLOW),
    "workflow.cancelled": EventKind("the workflow was cancelled", WORKFLOW),
    "workflow.retried": EventKind("the workflow goes on from a step that failed", STEP),
    "workflow.not_started": EventKind(
        "a schedule started no workflow this time, for example because its last one still runs",
        ("name", "slot", "why"),
    ),
    "tools.changed": EventKind(
        "tools of other servers were pinned or unpinned, or a pinned one changed; it only tells "
        "MCP clients that `tools/list` changed"
    ),
    "inbox.changed": EventKind(
        "the mailbox of an agent changed, or it has a new notice; it only wakes the agent's "
        "waiting calls and subscriptions to `hubbub://inbox`"
    ),
}
