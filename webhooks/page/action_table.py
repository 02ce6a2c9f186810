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
    # What it does besides what the preview can show, in words.
    effect: str = ""
    # It also has a field for each input of the workflow that it names.
    has_inputs: bool = False
    # It also has a field for each setting of the plug-in that it names.
    has_settings: bool = False
    # Its fields are the policy of the tool that it names.
    has_policy: bool = False


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
ALL_TOOLS = "Agents can call all tools of this list at once."
ADDED = (
    "Hubbub connects to the address with the credential and lists the tools. Only if that works "
    f"the server is stored. {ALL_TOOLS}"
)
SERVICE_ADDED = (
    "Hubbub fetches the document, without the credential, and makes the operations tools. Only if "
    f"that works the service is stored. {ALL_TOOLS}"
)
WHOSE = Field("repositories", "Only for agents of these repositories, with commas")
ENDPOINT = (
    Field("agent_id", "The agent's id; it is registered if nobody is", required=True),
    Field("role", "Its role, if it is registered now", "choice", ("", *ROLES)),
)
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
    # A callback's secret is shown once in the answer, which the page does not show.
    "endpoint-a2a": Action(
        "Add an A2A agent",
        "manage_agent_endpoint",
        {"action": "set", "protocol": "a2a"},
        (),
        (
            *ENDPOINT,
            Field("url", "Address of the agent or of its card", required=True),
            Field("secret", "Token that Hubbub sends", "secret"),
        ),
        effect="Tasks that are reserved for it, and messages to it, are sent to this address.",
    ),
    "endpoint-model": Action(
        "Add a model",
        "manage_agent_endpoint",
        {"action": "set", "protocol": "openai"},
        (),
        (
            *ENDPOINT,
            Field("url", "Address of the API, such as https://api.openai.com/v1", required=True),
            Field("secret", "Key of the API", "secret"),
            Field("options.model", "Name of the model", required=True),
            Field("options.max_cost", "Most money of one run"),
            Field("options.input_price", "Price of 1,000 tokens that it reads"),
            Field("options.output_price", "Price of 1,000 tokens that it writes"),
        ),
        effect="Hubbub runs tasks that are reserved for it: the model gets their texts.",
    ),
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
            WHOSE,
        ),
        effect=ADDED,
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
            Field("options.base_url", "Address of the service, if the document does not say it"),
            Field("options.tags", "Only operations with these tags, with commas"),
            Field("options.methods", "Only these methods, such as get, post"),
            WHOSE,
        ),
        effect=SERVICE_ADDED,
    ),
    "change-mount": Action(
        "Change the server",
        "manage_mount",
        {"action": "change"},
        MOUNT,
        (Field("url", "Address, if it moved"), NEW_AUTH, *CREDENTIAL),
        effect="Hubbub lists its tools with what you changed, and stores it only if that works.",
    ),
    "start-mount": Action("Start", "manage_mount", {"action": "start"}, MOUNT),
    "stop-mount": Action(
        "Stop",
        "manage_mount",
        {"action": "stop"},
        MOUNT,
        is_dangerous=True,
        effect="Nobody can call its tools until it is started again.",
    ),
    "restart-mount": Action(
        "Restart",
        "manage_mount",
        {"action": "restart"},
        MOUNT,
        effect="Its connections are closed, then Hubbub connects again. Calls that run now fail.",
    ),
    "refresh-mount": Action(
        "List its tools again",
        "manage_mount",
        {"action": "refresh"},
        MOUNT,
        effect="Hubbub lists its tools. What changed is parked until somebody accepts it.",
    ),
    "remove-mount": Action(
        "Remove the server",
        "manage_mount",
        {"action": "remove"},
        MOUNT,
        is_dangerous=True,
        effect="Its tools with their policies, its credential and its log are deleted.",
    ),
    "enable-plugin": Action(
        "Turn the plug-in on",
        "manage_plugin",
        {"action": "enable"},
        PLUGIN,
        (Field("role", "The most it may do", "choice", ("", *ROLES)),),
        has_settings=True,
        effect="It acts by its permissions from now on, in every repository of the account.",
    ),
    "disable-plugin": Action(
        "Turn the plug-in off",
        "manage_plugin",
        {"action": "disable"},
        PLUGIN,
        is_dangerous=True,
        effect="It does nothing more here. Its settings and what it keeps stay.",
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
        effect="Hubbub reads the project with the token, and stores the tracker only if that "
        "works. Then its issues with the labels of `mirror` become issues of the repository here.",
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
        "Remove the tracker",
        "manage_tracker",
        {"action": "remove"},
        TRACKER,
        is_dangerous=True,
        effect="Its token and its links are deleted. Tasks and issues stay. If it is added again, "
        "its issues become new ones.",
    ),
    "accept-tool": Action("Accept the change", "manage_tool", {"action": "accept"}, CHANGE),
    "reject-tool": Action(
        "Reject the change", "manage_tool", {"action": "reject"}, CHANGE, is_dangerous=True
    ),
    "park-tool": Action("Park the tool", "manage_tool", {"action": "park"}, TOOL),
    "unpark-tool": Action("Unpark the tool", "manage_tool", {"action": "unpark"}, TOOL),
    "pin-tool": Action("Pin the tool", "manage_tool", {"action": "pin"}, TOOL),
    "unpin-tool": Action("Unpin the tool", "manage_tool", {"action": "unpin"}, TOOL),
    "set-tool": Action(
        "Change the policy",
        "manage_tool",
        {"action": "set"},
        TOOL,
        POLICY,
        has_policy=True,
        effect="It holds from the next call on, for all agents.",
    ),
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
