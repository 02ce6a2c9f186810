"""The operator's file of MCP servers that run as processes of the machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.settings import WrongSettings

MOST_SERVERS = 100
LARGEST = 1_000_000
NAME = r"[a-z][a-z0-9-]{0,29}"
SETTING = "HUBBUB_TOOL_SERVERS_FILE"


class Process(BaseModel):
    """How a server is started, and for which accounts. It has no variable but those of `env`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    accounts: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
    env: Mapping[str, str] = {}
    folder: str | None = None

    @property
    def digest(self) -> str:
        """Changes with each of its values, and reveals none."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: Annotated[
        dict[Annotated[str, Field(pattern=f"^{NAME}$")], Process], Field(max_length=MOST_SERVERS)
    ] = {}


def load(path: str | None) -> dict[str, Process]:
    """The servers of the file by name. Raise WrongSettings."""
    if not path:
        return {}
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as exc:
        raise WrongSettings(f"{SETTING} is {path!r}, which cannot be read: {exc}.") from exc
    if len(text) > LARGEST:
        raise WrongSettings(f"{SETTING}: {path} has more than {LARGEST} characters.")
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise WrongSettings(f"{SETTING}: {path} is not YAML: {exc}.") from exc
    try:
        return File.model_validate(found or {}).servers
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise WrongSettings(
            f"{SETTING}: in {path}, {place or 'the file'}: {first['msg']}."
        ) from exc
