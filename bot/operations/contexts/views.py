"""What answers show of contexts, versions and snapshots."""

from typing import Any

from pydantic import BaseModel, Field

from bot.contexts import access, contents
from bot.contexts.access import Access, AccessibleContext
from bot.kernel.operation import Answer
from bot.operations.files.views import Files
from bot.times import stamp
from store.contexts.versions import VersionInfo
from store.tables.contexts import ContextSnapshotRow


class About(BaseModel):
    id: str
    name: str
    owner: str
    kind: contents.Kind
    version: int = Field(description="the number of the newest version")
    task: str | None = None
    access: Access = Field(description="what you may do; share includes read and write")
    created_at: str
    updated_at: str


class Version(BaseModel):
    version: int
    author: str
    at: str
    note: str = ""
    checksum: str = Field(description="the SHA-256 of the content")
    size: int = Field(description="the size of the content in bytes")


class Grant(BaseModel):
    to: str
    access: Access


class Snapshot(BaseModel):
    id: str
    name: str
    author: str
    at: str
    members: dict[str, int] = Field(description="the version of each context, by the context's id")


class OneContext(Answer):
    of_mirror = False

    context: About
    attachments: Files = ()


class CreatedContext(OneContext):
    readable_by: list[str] = Field(description="who can read it: agents, roles, people")


class SharedContext(CreatedContext):
    grants: list[Grant] = Field([])


class ReadContext(OneContext):
    version: Version = Field(description="the version that `content` is from")
    content: Any
    broken: list[int] = Field([], description="newer versions that can no longer be read")
    history: list[Version] = Field([], description="versions, newest first")
    part: int | None = Field(
        None,
        description="`content` is this part of the text, or of the JSON as text",
        exclude_if=lambda part: part is None,
    )
    parts: int | None = Field(
        None, description="how many parts it has", exclude_if=lambda parts: parts is None
    )


class Contexts(Answer):
    of_mirror = False

    contexts: list[About]
    snapshots: list[Snapshot] = Field([])
    next_cursor: str | None = None


def context_view(row: AccessibleContext) -> About:
    return About(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        kind=row["kind"],
        version=row["version"],
        task=access.task_of(row),
        access=row["access"],
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )


def version_view(row: VersionInfo) -> Version:
    return Version(
        version=row["version"],
        author=row["author"],
        at=stamp(row["at"]),
        note=row["note"],
        checksum=row["checksum"],
        size=row["size"],
    )


def snapshot_view(row: ContextSnapshotRow, seen: set[str]) -> Snapshot:
    members = {k: v for k, v in row["members"].items() if k in seen}
    return Snapshot(
        id=row["id"],
        name=row["name"],
        author=row["author"],
        at=stamp(row["at"]),
        members=members,
    )
