"""What a person can do from the page: one literal table. Each is a call of one operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bot.identity.actors import ROLES
from bot.tasks.priorities import PRIORITIES

Kind: TypeAlias = Literal["line", "text", "choice", "secret"]


@dataclass(frozen=True)
class Field:
    """An argument that the person fills in."""

    name: str
    label: str
    kind: Kind = "line"
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Action:
    """`given`: arguments that are fixed. `about`: arguments that the link passes on."""

    label: str
    operation: str
    given: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    is_dangerous: bool = False
    # It also has a field for each input of the workflow that it names.
    has_inputs: bool = False
    # It also has a field for each setting of the plug-in that it names.
    has_settings: bool = False


TASK, AGENT, TARGET = ("task",), ("agent_id",), ("target",)
WHY = Field("note", "Reason, for those who work on it")
MESSAGE = Field("body", "Text", "text", required=True)
MOUNT = ("mount",)
SENT_AS = ("none", "bearer", "header", "basic", "query", "oauth")
AUTH = Field("auth", "The credential is sent as", "choice", SENT_AS)
# The empty choice leaves it as it is.
NEW_AUTH = Field("auth", "The new credential is sent as", "choice", ("", *SENT_AS))
CREDENTIAL = (
    Field("auth_name", "Header, parameter, user or client id"),
    Field("secret", "Secret", "secret"),
    Field("token_url", "For oauth: address of tokens"),
    Field("scope", "For oauth: scope"),
)
PLUGIN = ("plugin",)
TRACKER = ("tracker",)
TOOL, CHANGE = ("tool",), ("tool", "hash")
# What is left empty stays as it is.
POLICY = (
    Field("policy.role", "Lowest role", "choice", ("", *ROLES)),
    Field("policy.calls_a_minute", "Calls a minute, of all together"),
    Field("policy.calls_a_day", "Calls a day, of all together"),
    Field("policy.price", "Price of a call"),
    Field("policy.cost_a_day", "Highest cost a day"),
    Field("policy.timeout_s", "Time-out, in seconds"),
    Field("policy.cache_s", "Keep answers for so many seconds, if it only reads"),
    Field("policy.max_bytes", "Longest result"),
    Field("policy.retries", "Attempts after a failure that may have had an effect"),
    Field("policy.fallback", "Server with the same tool, if this one is away"),
    Field("policy.capabilities", "Capabilities, with commas"),
)
PRIORITY = Field("priority", "Priority", "choice", PRIORITIES, required=True)

ACTIONS: dict[str, Action] = {
    "hold": Action("Put on hold", "change_task", {"hold": True}, TASK, (WHY,)),
    "resume": Action("End the hold", "change_task", {"hold": False}, TASK),
    "prioritise": Action("Change the priority", "change_task", {}, TASK, (PRIORITY,)),
    "retry": Action("Retry", "change_task", {"state": "pending"}, TASK, (WHY,)),
    "complete": Action("Mark as completed", "change_task", {"state": "completed"}, TASK, (WHY,)),
    "cancel": Action(
        "Cancel the task", "change_task", {"state": "cancelled"}, TASK, (WHY,), is_dangerous=True
    ),
    "assign": Action(
        "Reserve for an agent",
        "assign_task",
        {},
        TASK,
        (Field("agent_id", "Agent or template", required=True),),
    ),
    "unassign": Action("End the reservation", "assign_task", {}, TASK),
    "release": Action("Take from its holder", "release_task", {}, TASK, (WHY,), is_dangerous=True),
    # A comment on the issue also answers the holder's question.
    "comment": Action("Comment or answer", "github_comment_issue", {}, ("issue",), (MESSAGE,)),
    "message-holder": Action(
        "Message the holder", "send_message", {"to": "holder"}, TASK, (MESSAGE,)
    ),
    "message": Action("Send a message", "send_message", {}, ("to",), (MESSAGE,)),
    "resend": Action("Send again", "resend_message", {}, ("message_id",)),
    "pause": Action("Pause", "manage_agent", {"action": "pause"}, AGENT, (WHY,)),
    "endpoint-test": Action("Send a test", "manage_agent_endpoint", {"action": "test"}, AGENT),
    "endpoint-on": Action("Turn on", "manage_agent_endpoint", {"action": "on"}, AGENT),
    "endpoint-off": Action(
        "Turn off", "manage_agent_endpoint", {"action": "off"}, AGENT, is_dangerous=True
    ),
    "endpoint-remove": Action(
        "Remove", "manage_agent_endpoint", {"action": "remove"}, AGENT, is_dangerous=True
    ),
    "resume-agent": Action("Resume", "manage_agent", {"action": "resume"}, AGENT),
    "unregister": Action(
        "Unregister", "manage_agent", {"action": "unregister"}, AGENT, (WHY,), is_dangerous=True
    ),
    "stop-run": Action(
        "Stop the run", "terminate_agent", {}, ("run_id",), (WHY,), is_dangerous=True
    ),
    "cancel-write": Action(
        "Cancel the write", "cancel_write", {}, ("write_id",), is_dangerous=True
    ),
    "cancel-writes": Action(
        "Cancel the writes that wait", "cancel_write", {}, AGENT, is_dangerous=True
    ),
    "replay": Action("Replay the delivery", "replay_delivery", {}, ("guid",)),
    "replay-all": Action("Replay all dead deliveries", "replay_delivery", {"all": True}),
    "pause-target": Action("Pause", "manage_notification_target", {"action": "pause"}, TARGET),
    "resume-target": Action("Resume", "manage_notification_target", {"action": "resume"}, TARGET),
    "test-target": Action("Send a test", "manage_notification_target", {"action": "test"}, TARGET),
    "remove-target": Action(
        "Remove the target",
        "manage_notification_target",
        {"action": "remove"},
        TARGET,
        is_dangerous=True,
    ),
    "add-mount": Action(
        "Add an MCP server",
        "manage_mount",
        {"action": "add", "kind": "mcp"},
        (),
        (
            Field("mount", "Name, with which its tools begin", required=True),
            Field("url", "Address", required=True),
            AUTH,
            *CREDENTIAL,
        ),
    ),
    "add-service": Action(
        "Add an OpenAPI service",
        "manage_mount",
        {"action": "add", "kind": "openapi"},
        (),
        (
            Field("mount", "Name, with which its tools begin", required=True),
            Field("url", "Address of the document", required=True),
            AUTH,
            *CREDENTIAL,
        ),
    ),
    "change-mount": Action(
        "Change the server",
        "manage_mount",
        {"action": "change"},
        MOUNT,
        (Field("url", "Address, if it moved"), NEW_AUTH, *CREDENTIAL),
    ),
    "start-mount": Action("Start", "manage_mount", {"action": "start"}, MOUNT),
    "stop-mount": Action("Stop", "manage_mount", {"action": "stop"}, MOUNT, is_dangerous=True),
    "restart-mount": Action("Restart", "manage_mount", {"action": "restart"}, MOUNT),
    "refresh-mount": Action("List its tools again", "manage_mount", {"action": "refresh"}, MOUNT),
    "remove-mount": Action(
        "Remove the server", "manage_mount", {"action": "remove"}, MOUNT, is_dangerous=True
    ),
    "enable-plugin": Action(
        "Turn the plug-in on",
        "manage_plugin",
        {"action": "enable"},
        PLUGIN,
        (Field("role", "The most it may do", "choice", ("", *ROLES)),),
        has_settings=True,
    ),
    "disable-plugin": Action(
        "Turn the plug-in off",
        "manage_plugin",
        {"action": "disable"},
        PLUGIN,
        is_dangerous=True,
    ),
    "resend-plugin": Action(
        "Forward again what was given up", "manage_plugin", {"action": "resend"}, PLUGIN
    ),
    "add-tracker": Action(
        "Add a GitLab project",
        "manage_tracker",
        {"action": "add"},
        (),
        (
            Field("tracker", "Name", required=True),
            Field("url", "Address, such as https://gitlab.com", required=True),
            Field("project", "Project, such as group/project", required=True),
            Field("repository", "Repository here, as owner/repo", required=True),
            Field("secret", "Access token", "secret", required=True),
        ),
    ),
    "change-tracker": Action(
        "Set another token",
        "manage_tracker",
        {"action": "change"},
        TRACKER,
        (Field("secret", "Access token", "secret", required=True),),
    ),
    "pause-tracker": Action("Pause", "manage_tracker", {"action": "pause"}, TRACKER),
    "resume-tracker": Action("Resume", "manage_tracker", {"action": "resume"}, TRACKER),
    "poll-tracker": Action("Poll now", "manage_tracker", {"action": "poll"}, TRACKER),
    "remove-tracker": Action(
        "Remove the tracker", "manage_tracker", {"action": "remove"}, TRACKER, is_dangerous=True
    ),
    "accept-tool": Action("Accept the change", "manage_tool", {"action": "accept"}, CHANGE),
    "reject-tool": Action(
        "Reject the change", "manage_tool", {"action": "reject"}, CHANGE, is_dangerous=True
    ),
    "park-tool": Action("Park the tool", "manage_tool", {"action": "park"}, TOOL),
    "unpark-tool": Action("Unpark the tool", "manage_tool", {"action": "unpark"}, TOOL),
    "pin-tool": Action("Pin the tool", "manage_tool", {"action": "pin"}, TOOL),
    "unpin-tool": Action("Unpin the tool", "manage_tool", {"action": "unpin"}, TOOL),
    "set-tool": Action("Change the policy", "manage_tool", {"action": "set"}, TOOL, POLICY),
    "start-workflow": Action(
        "Start the workflow",
        "start_workflow",
        {},
        ("repository", "name"),
        (Field("task", "Parent issue, or none for a new one"),),
        has_inputs=True,
    ),
    "cancel-workflow": Action(
        "Cancel the workflow",
        "cancel_workflow",
        {},
        ("workflow",),
        (WHY,),
        is_dangerous=True,
    ),
    "retry-workflow": Action(
        "Retry the workflow", "retry_workflow", {}, ("workflow", "step"), (WHY,)
    ),
    "approve": Action("Approve", "approve_task", {"approve": True}, TASK, (WHY,)),
    "reject": Action("Reject", "approve_task", {"approve": False}, TASK, (WHY,), is_dangerous=True),
    "save-workflow": Action(
        "Save as a pull request",
        "save_workflow",
        {},
        ("repository", "name", "base", "commit", "text"),
        (Field("title", "Title of the pull request"), Field("body", "Why", "text")),
    ),
    "restore": Action(
        "Make this version the newest", "restore_context", {}, ("context_id", "version")
    ),
}
