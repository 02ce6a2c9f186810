"""The MCP clients whose configuration `hubbub setup` writes. docs/how-to/connect-an-agent.md."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Scope = Literal["user", "project"]
NAME = "hubbub"
VARIABLE = "HUBBUB_TOKEN"


@dataclass(frozen=True)
class Places:
    """Where a person's files are. `home`, and the folder of a project; `variables`: environment."""

    home: Path
    project: Path
    variables: Mapping[str, str]
    platform: str = sys.platform

    def folder(self, variable: str, default: str) -> Path:
        """The folder that an environment variable of the client names, or its default."""
        given = self.variables.get(variable)
        return Path(given) if given else self.home / default

    @property
    def code_user(self) -> Path:
        """The folder of VS Code's own settings."""
        if self.platform == "darwin":
            return self.home / "Library/Application Support/Code/User"
        return self.folder("XDG_CONFIG_HOME", ".config") / "Code/User"


@dataclass(frozen=True)
class Client:
    title: str
    # The file of a person, in which the token may stand.
    user_file: Callable[[Places], Path]
    # The file of a project, which others read: it names the variable of the token.
    project_file: str
    # The name of the object that has the servers.
    group: str
    # The entry, from the address and the value of the Authorization header.
    entry: Callable[[str, str], dict[str, Any]]
    # How a file of a project names the variable.
    variable: str
    # What else a project's file needs: the name of an array, and the item.
    inputs: dict[str, Any] = field(default_factory=dict)
    is_toml: bool = False
    # In a TOML file: the entry that names the variable.
    variable_entry: Callable[[str], dict[str, Any]] | None = None


def _headers(authorization: str) -> dict[str, str]:
    return {"Authorization": authorization}


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client(
        "Claude Code",
        lambda at: at.folder("CLAUDE_CONFIG_DIR", ".") / ".claude.json",
        ".mcp.json",
        "mcpServers",
        lambda url, token: {"type": "http", "url": url, "headers": _headers(token)},
        "${HUBBUB_TOKEN}",
    ),
    "codex": Client(
        "Codex",
        lambda at: at.folder("CODEX_HOME", ".codex") / "config.toml",
        ".codex/config.toml",
        "mcp_servers",
        lambda url, token: {"url": url, "http_headers": _headers(token)},
        VARIABLE,
        is_toml=True,
        variable_entry=lambda url: {"url": url, "bearer_token_env_var": VARIABLE},
    ),
    "cursor": Client(
        "Cursor",
        lambda at: at.home / ".cursor/mcp.json",
        ".cursor/mcp.json",
        "mcpServers",
        lambda url, token: {"url": url, "headers": _headers(token)},
        "${env:HUBBUB_TOKEN}",
    ),
    "vscode": Client(
        "VS Code",
        lambda at: at.code_user / "mcp.json",
        ".vscode/mcp.json",
        "servers",
        lambda url, token: {"type": "http", "url": url, "headers": _headers(token)},
        "${input:hubbub-token}",
        inputs={
            "type": "promptString",
            "id": "hubbub-token",
            "description": "Hubbub token",
            "password": True,
        },
    ),
    "roo": Client(
        "Roo Code",
        lambda at: (
            at.code_user / "globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"
        ),
        ".roo/mcp.json",
        "mcpServers",
        # Without `type`, Roo Code uses an older transport.
        lambda url, token: {"type": "streamable-http", "url": url, "headers": _headers(token)},
        "${env:HUBBUB_TOKEN}",
    ),
    "gemini": Client(
        "Gemini CLI",
        lambda at: at.folder("GEMINI_CLI_HOME", ".") / ".gemini/settings.json",
        ".gemini/settings.json",
        "mcpServers",
        # `url` would mean an older transport.
        lambda url, token: {"httpUrl": url, "headers": _headers(token)},
        "$HUBBUB_TOKEN",
    ),
}
