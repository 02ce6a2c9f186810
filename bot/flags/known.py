"""The feature flags of this version. Each chooses between two paths that give the same answers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFlag:
    """`is_on`: without a row in the database. `counts`: what the arms of a canary compare."""

    is_on: bool
    what: str
    counts: str


MCP_FAST_PATH = "mcp_fast_path"
JOINT_REQUESTS = "joint_requests"
FLAGS = {
    MCP_FAST_PATH: KnownFlag(
        is_on=True,
        what="Hubbub's own code answers plain tool calls at /mcp; off: the MCP library answers all",
        counts="requests at /mcp; an error is a status of 500 or more",
    ),
    JOINT_REQUESTS: KnownFlag(
        is_on=True,
        what="several writes of the bot share one request to GitHub; off: each has its own",
        counts="first attempts of the bot's writes; an error is a refusal or an unknown outcome",
    ),
}
