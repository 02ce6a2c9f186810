"""Who may do what: the one table, which every surface reads.

A row is named after an operation, or after one action of an operation: `operation.action`. It has
the lowest role for each condition. `docs/reference/permissions.md` prints it.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from bot.identity.actors import ROLE_OF_PERMISSION, ROLES, Actor
from store.tables.agents import Role

# `own`: what the caller is, made or holds. `same_task`: what belongs to a task that it holds.
# `any`: everything else within its reach.
Condition: TypeAlias = Literal["own", "same_task", "any"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)


@dataclass(frozen=True)
class Rule:
    """The lowest role for each condition. None: nobody, whatever their role.

    `people`: a person needs at most this role for each condition, because people lead agents.
    `own_is`: what is the caller's own. `narrows`: the operation changes something of a task
    or in a repository, so a repository may raise the role that it needs.
    """

    own: Role | None
    same_task: Role | None
    any: Role | None
    people: Role | None = None
    own_is: str = ""
    narrows: bool = False


def _everything(role: Role, *, people: Role | None = None, narrows: bool = False) -> Rule:
    """The same role for all conditions."""
    return Rule(role, role, role, people=people, narrows=narrows)


def _own(
    role: Role,
    *,
    is_: str,
    others: Role | None = None,
    people: Role | None = None,
    narrows: bool = False,
) -> Rule:
    """A role for one's own, and another one for what is not."""
    return Rule(role, others, others, people=people, own_is=is_, narrows=narrows)


def _of_task(role: Role, others: Role, *, people: Role) -> Rule:
    """A role for who holds the task, and another one for everybody else."""
    return Rule(others, role, others, people=people)


# Only for people who look at the page, so that no agent pays tokens for it.
PEOPLE = Rule(None, None, None, people="observer")
SELF = "the caller itself"
BELOW = "the caller itself, and agents below it"
CONTEXT = "contexts that it owns, or that are shared with it"

RULES: dict[str, Rule] = {
    # Agents
    "register_agent": _own("observer", is_="the agent of its token"),
    "update_agent": _own("observer", others="tech-lead", is_=SELF, narrows=True),
    "update_agent.parent_id": _own(
        "observer", others="tech-lead", is_="agents below it; itself, where its parent has left"
    ),
    "update_agent.budget": _own("observer", others="tech-lead", is_="agents below it"),
    "update_agent.report": _own("observer", is_=SELF),
    "get_agent": _everything("observer"),
    "get_agent.checkpoint": _own("observer", others="tech-lead", is_=BELOW),
    "list_agents": _everything("observer"),
    "manage_agent": _own("observer", others="tech-lead", is_=BELOW),
    "manage_agent.resume": _own("observer", others="tech-lead", is_="agents that it paused"),
    "invite_agent": _everything("tech-lead", people="developer"),
    "manage_agent_endpoint": Rule(None, None, None, people="tech-lead"),
    "get_agent_endpoint": Rule(None, None, None, people="tech-lead"),
    "move_agent": _own("observer", others="tech-lead", is_=BELOW),
    # Agent runs
    "spawn_agent": _own(
        "developer",
        others="tech-lead",
        people="developer",
        is_="tasks that it holds or created, or that are below one that it holds; a prompt, if it "
        "is itself a run",
        narrows=True,
    ),
    "get_agent_status": _everything("observer"),
    "get_agent_result": _everything("observer"),
    "gather_results": _everything("observer"),
    "check_workflow": _everything("developer"),
    "terminate_agent": _own(
        "observer",
        others="tech-lead",
        people="developer",
        is_="its own run, runs that it started, and those below",
    ),
    # Tasks
    "create_task": _everything("developer", narrows=True),
    "create_tasks": _everything("developer", narrows=True),
    "start_workflow": _everything("developer", narrows=True),
    "get_workflow": _everything("observer"),
    "list_workflows": _everything("observer"),
    "cancel_workflow": _own(
        "developer",
        others="tech-lead",
        people="developer",
        is_="workflows that it started",
        narrows=True,
    ),
    "retry_workflow": _own(
        "developer",
        others="tech-lead",
        people="developer",
        is_="workflows that it started",
        narrows=True,
    ),
    "assign_task": _everything("tech-lead", people="developer", narrows=True),
    "change_task": _everything("tech-lead", people="developer", narrows=True),
    "claim_task": _everything("developer", narrows=True),
    "claim_task.blocked": _everything("tech-lead", people="developer"),
    "release_task": _own(
        "developer",
        others="tech-lead",
        people="developer",
        is_="tasks that it holds",
        narrows=True,
    ),
    "release_task.of_person": _own("developer", others="tech-lead", is_="tasks that it holds"),
    "update_task_status": _own("developer", is_="tasks that it holds", narrows=True),
    "report_usage": _own("observer", is_="tasks that it holds or held"),
    "get_task": _everything("observer"),
    "list_tasks": _everything("observer"),
    "explain_task": _everything("observer"),
    "get_plan": _everything("observer"),
    "get_spend": _everything("observer"),
    "get_graph": PEOPLE,
    "count_tasks": PEOPLE,
    "get_task_history": PEOPLE,
    # As with contexts: what agents write to each other is for those who may change the task.
    "get_task_messages": Rule(None, None, None, people="developer"),
    "propose_plan": _own("developer", is_="tasks that it holds", narrows=True),
    # The gate says who may decide it, and the settings who may decide about a plan.
    "approve_task": _everything("tester", people="observer", narrows=True),
    # Messages
    "send_message": _everything("tester", narrows=True),
    "send_message.reply_to": _own("tester", is_="threads in which it took part"),
    "get_messages": _own("observer", is_="messages to it"),
    "get_messages.thread_id": _own("observer", is_="threads in which it took part"),
    "get_messages.dead": _own(
        "observer", others="tech-lead", is_="dead letters that it sent or should have got"
    ),
    "mark_message_read": _own("observer", is_="messages to it"),
    "delete_message": _own("tester", is_="messages that it sent or got"),
    "resend_message": _own(
        "tester", others="tech-lead", is_="dead letters that it sent or should have got"
    ),
    "consult_agents": _everything("tester", narrows=True),
    "consult_agents.consultation": _own(
        "tester", is_="questions that it asked or was asked; it accepts answers to its own"
    ),
    # Contexts
    "create_context": _everything("tester", narrows=True),
    "update_context": _own(
        "tester",
        others="tech-lead",
        people="developer",
        is_="contexts that it owns, or that are shared with it for writing",
    ),
    "share_context": _own(
        "tester", others="tech-lead", people="developer", is_="contexts that it owns"
    ),
    "get_context": _own("observer", others="tech-lead", people="developer", is_=CONTEXT),
    "list_contexts": _own("observer", others="tech-lead", people="developer", is_=CONTEXT),
    "list_contexts.snapshots": _own("observer", others="tech-lead", is_="snapshots that it took"),
    "restore_context": _own(
        "tester",
        others="tech-lead",
        people="developer",
        is_="contexts that it owns, or that are shared with it for writing",
    ),
    "snapshot_contexts": _own(
        "tester", others="tech-lead", people="developer", is_=CONTEXT, narrows=True
    ),
    # Files
    "attach_file": _everything("tester"),
    "get_attachment": _own("observer", is_="files that it attached, or on what it may read"),
    "list_attachments": PEOPLE,
    "delete_attachment": Rule(None, None, None, people="tech-lead"),
    # GitHub
    "github_create_issue": _everything("developer", narrows=True),
    "github_update_issue": _everything("developer", narrows=True),
    "github_update_issue.held": _of_task("developer", "tech-lead", people="developer"),
    "github_update_issue.decide": Rule(
        own="developer",
        same_task="developer",
        any="tech-lead",
        people="developer",
        own_is="to cancel a task that it created and that nobody has claimed",
    ),
    "github_comment_issue": _everything("tester", narrows=True),
    "github_comment_issue.change": _own(
        "tester", others="tech-lead", is_="comments that it wrote through Hubbub"
    ),
    "github_create_pr": _everything("developer", narrows=True),
    "github_create_pr.held": _of_task("developer", "tech-lead", people="developer"),
    "github_update_pr": _everything("developer", narrows=True),
    "github_update_pr.held": _of_task("developer", "tech-lead", people="developer"),
    "github_update_pr.merge": _everything("developer"),
    "github_review_pr": _everything("tester", narrows=True),
    "github_review_pr.verdict": Rule(
        own=None,
        same_task=None,
        any="tester",
        own_is="pull requests on which it worked",
    ),
    "github_commit_files": _everything("developer", narrows=True),
    "github_commit_files.held": _of_task("developer", "tech-lead", people="developer"),
    # The file says what agents may do there.
    "github_commit_files.settings": _everything("tech-lead"),
    "github_move_card": _everything("developer", narrows=True),
    "github_move_card.held": _of_task("developer", "tech-lead", people="developer"),
    "github_report_check": _everything("tester", narrows=True),
    "override_check": Rule(None, None, None, people="developer"),
    "github_run_workflow": _everything("tech-lead", narrows=True),
    "github_cancel_workflow": _everything("tech-lead", narrows=True),
    # Code and conversations
    "github_list_files": _everything("observer"),
    "github_read_files": _everything("observer"),
    "github_get_diff": _everything("observer"),
    "github_get_thread": _everything("observer"),
    "github_search": _everything("observer"),
    # Tools of other servers. Each tool has a role of its own beside this one.
    "find_tools": _everything("observer"),
    "call_tool": _everything("observer"),
    # Events and writes
    "wait_for_events": _everything("observer"),
    "get_write": _own("observer", others="tech-lead", is_="writes of its own and of agents below"),
    "list_writes": _own(
        "observer", others="tech-lead", is_="writes of its own and of agents below"
    ),
    "cancel_write": _own("tester", others="tech-lead", is_="writes of its own and of agents below"),
    "get_budget": _everything("observer"),
    # What the page shows people
    "get_fleet": PEOPLE,
    "get_agent_history": PEOPLE,
    "get_outbox": PEOPLE,
    "get_budget_history": PEOPLE,
    "list_deliveries": PEOPLE,
    "get_delivery": PEOPLE,
    "replay_delivery": Rule(None, None, None, people="tech-lead"),
    "list_audit": Rule(None, None, None, people="tech-lead"),
    "list_attention": Rule(None, None, None, people="observer"),
    "get_insights": Rule(None, None, None, people="tech-lead"),
    "get_usage": Rule(None, None, None, people="tech-lead"),
    "get_workflow_file": PEOPLE,
    "edit_workflow": PEOPLE,
    "save_workflow": Rule(None, None, None, people="developer"),
    "list_mounts": Rule(None, None, None, people="tech-lead"),
    "get_mount": Rule(None, None, None, people="tech-lead"),
    "manage_mount": Rule(None, None, None, people="tech-lead"),
    "list_trackers": Rule(None, None, None, people="tech-lead"),
    "get_tracker": Rule(None, None, None, people="tech-lead"),
    "manage_tracker": Rule(None, None, None, people="tech-lead"),
    "list_notification_targets": Rule(None, None, None, people="tech-lead"),
    "manage_notification_target": Rule(None, None, None, people="tech-lead"),
    "list_plugins": PEOPLE,
    "get_plugin": PEOPLE,
    "search_plugins": PEOPLE,
    "manage_plugin": Rule(None, None, None, people="tech-lead"),
    "get_tool": Rule(None, None, None, people="tech-lead"),
    "manage_tool": Rule(None, None, None, people="tech-lead"),
}

# The lowest permission on a repository that gives a person the role.
PERMISSION_OF_ROLE: dict[Role, str] = {
    role: permission for permission, role in ROLE_OF_PERMISSION.items()
}


def lowest_role(operation: str, *, person: bool = False) -> Role:
    """The lowest role that may call the operation at all; the highest one if only people may."""
    found = [_role(RULES[operation], each, person=person) for each in CONDITIONS]
    return min((each for each in found if each is not None), key=ROLES.index, default=ROLES[-1])


def is_for_people(operation: str) -> bool:
    """Whether no agent may call it, whatever its role."""
    rule = RULES[operation]
    return (rule.own, rule.same_task, rule.any) == (None, None, None)


def needed_role(actor: Actor, action: str, condition: Condition = "any") -> Role | None:
    """The lowest role that the actor needs. None: nobody may do it."""
    return _role(RULES[action], condition, person=actor.is_person)


def _role(rule: Rule, condition: Condition, *, person: bool) -> Role | None:
    found: Role | None = getattr(rule, condition)
    if rule.people is None or not person:
        return found
    return rule.people if found is None else min(found, rule.people, key=ROLES.index)


def allows(
    actor: Actor,
    action: str,
    condition: Condition = "any",
    *,
    repository_id: int | None = None,
) -> bool:
    """Whether the actor's role is high enough; in a repository, its role there."""
    role = needed_role(actor, action, condition)
    return role is not None and actor.may(role, repository_id)


def allows_everywhere(actor: Actor, action: str, condition: Condition = "any") -> bool:
    """Whether its role is high enough for what belongs to no repository, such as other agents.

    The role of a token that is bound to some repositories counts only there.
    """
    return allows(actor, action, condition) and not actor.is_bound


def leads_everywhere(actor: Actor) -> bool:
    """Whether it may see what belongs to no repository, such as deliveries about the installation.

    A person is a tech-lead outside of repositories if they are one in each of them.
    """
    return actor.may(ROLES[-1]) and not actor.is_bound


def allows_somewhere(actor: Actor, action: str, condition: Condition = "any") -> bool:
    """Whether its role is high enough in any repository, or outside of them."""
    role = needed_role(actor, action, condition)
    return role is not None and actor.may_somewhere(role)


def may_call(actor: Actor, operation: str) -> bool:
    """Whether the actor may call the operation at all."""
    if is_for_people(operation) and not actor.is_person:
        return False
    return actor.may_somewhere(lowest_role(operation, person=actor.is_person))


def missing(actor: Actor, action: str, condition: Condition = "any") -> dict[str, Any]:
    """The details of a refusal: which role the action needs on this condition, and the actor's."""
    return {
        "action": action,
        "condition": condition,
        "needs": needed_role(actor, action, condition),
        "has": actor.role,
    }
