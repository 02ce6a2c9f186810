"""Plug-ins that the operator installed, and the installations that turned them on.

What belongs to the whole server has the installation id 0.
"""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.agents import Role
from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

# `stopped`: Hubbub does not run it any more; `why` says why.
PluginState: TypeAlias = Literal["installed", "stopped"]
# `failing`: Hubbub turned it off, because its calls kept failing.
PluginUse: TypeAlias = Literal["on", "off", "failing"]
# A package in the database, or a distribution in the Python environment of the server.
PluginSource: TypeAlias = Literal["package", "distribution"]
RegistrySource: TypeAlias = Literal["folder", "repository"]
# `new`: nobody has read it yet. `failing`: the last look failed; the index before still counts.
RegistryState: TypeAlias = Literal["new", "read", "failing"]
ForwardState: TypeAlias = Literal["waiting", "delivered", "dead"]
# `index`: a registry that was removed.
TrustKind: TypeAlias = Literal["publisher", "revoked", "index"]


class PluginRow(TypedDict):
    """A plug-in. `digest`: of its package, or of all files of its distribution."""

    installation_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(40)]
    version: Annotated[str, Text(30)]
    source: Annotated[PluginSource, Text(20)]
    digest: Annotated[str, Text(64)]
    manifest: Json
    # The key that signed it.
    signed_by: Annotated[str | None, Text(60)]
    state: Annotated[PluginState, Text(20)]
    why: Annotated[str | None, Text(300)]
    # The version before, for a rollback: its own version, digest, manifest and so on.
    former: Json | None
    # Grows with each change, so that processes notice it.
    revision: int
    installed_by: Annotated[str, Text(120)]
    installed_at: int
    updated_at: int


class PluginPartRow(TypedDict):
    """A part of a package. Packages that no plug-in has are removed at the next installation."""

    installation_id: Annotated[int, KEY]
    digest: Annotated[str, KEY, Text(64)]
    part: Annotated[int, KEY]
    data: bytes
    created_at: int


class PluginTrustRow(TypedDict):
    """A key of a publisher or of a registry, or something that is revoked.

    `subject`: the key or what is revoked.
    """

    installation_id: Annotated[int, KEY]
    kind: Annotated[TrustKind, KEY, Text(20)]
    subject: Annotated[str, KEY, Text(100)]
    # The publisher, the reason, or the highest number that was read of indexes with the key.
    detail: Annotated[str, Text(200)]
    added_at: int


class PluginInstallationRow(TypedDict):
    """A plug-in that an installation uses or used. `sealed`: its settings, encrypted."""

    installation_id: Annotated[int, KEY]
    plugin: Annotated[str, KEY, Text(40)]
    state: Annotated[PluginUse, Text(20)]
    role: Annotated[Role, Text(20)]
    sealed: bytes
    why: Annotated[str | None, Text(300)]
    # Calls that failed one after the other.
    failures: Annotated[int, SMALL, Default("0")]
    # The number of the last event that it handled.
    seq: int
    # When it looks for events next; while a process works on them, when another one may.
    due_at: int
    changed_by: Annotated[str, Text(120)]
    changed_at: int


class PluginCardLineRow(TypedDict):
    """The lines that a plug-in has for the card of a task."""

    installation_id: Annotated[int, KEY]
    task_id: Annotated[str, KEY, Text(40)]
    plugin: Annotated[str, KEY, Text(40)]
    texts: Json
    updated_at: int


class PluginValueRow(TypedDict):
    """A value that a plug-in keeps in an installation. `sealed`: the value, encrypted."""

    installation_id: Annotated[int, KEY]
    plugin: Annotated[str, KEY, Text(40)]
    name: Annotated[str, KEY, Text(100)]
    version: int
    sealed: bytes
    updated_at: int


class PluginRegistryRow(TypedDict):
    """A registry of plug-ins that the operator trusts. `place`: a folder, or owner/repository."""

    installation_id: Annotated[int, KEY]
    place: Annotated[str, KEY, Text(255)]
    source: Annotated[RegistrySource, Text(20)]
    # The public key that signs its index.
    signed_by: Annotated[str, Text(60)]
    # The number of the newest index that was accepted. An older one is refused.
    number: int
    # That index, compressed as it was signed, and the digest of it.
    content: bytes | None
    digest: Annotated[str | None, Text(64)]
    state: Annotated[RegistryState, Text(20)]
    why: Annotated[str | None, Text(300)]
    # The repository in the mirror.
    home: int | None
    repository_id: int | None
    is_public: Flag
    # When it is read next.
    look_at: int
    read_at: int | None
    added_by: Annotated[str, Text(120)]
    added_at: int


class PluginRatingRow(TypedDict):
    """The reactions to the issue of a plug-in in a registry's repository."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    number: Annotated[int, KEY]
    likes: int
    dislikes: int
    at: int


class PluginForwardRow(TypedDict):
    """A delivery of GitHub that is forwarded to an app of others."""

    installation_id: Annotated[int, KEY]
    plugin: Annotated[str, KEY, Text(40)]
    guid: Annotated[str, KEY, Text(80)]
    event: Annotated[str, Text(80)]
    # 0: it belongs to no repository.
    repository_id: int
    received_at: int
    state: Annotated[ForwardState, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    # Why the last attempt failed.
    why: Annotated[str | None, Text(300)]


TABLES = (
    Table("plugins", PluginRow),
    Table("plugin_parts", PluginPartRow),
    Table("plugin_trust", PluginTrustRow),
    Table(
        "plugin_installations",
        PluginInstallationRow,
        Index("ix_plugin_installations_due", "state", "due_at"),
    ),
    Table(
        "plugin_card_lines",
        PluginCardLineRow,
        Index("ix_plugin_card_lines_updated", "updated_at"),
        Index("ix_plugin_card_lines_plugin", "installation_id", "plugin", "task_id"),
    ),
    Table("plugin_values", PluginValueRow),
    Table("plugin_registries", PluginRegistryRow),
    Table("plugin_ratings", PluginRatingRow),
    Table(
        "plugin_forwards",
        PluginForwardRow,
        Index("ix_plugin_forwards_next", "installation_id", "plugin", "state", "received_at"),
        Index("ix_plugin_forwards_state", "state", "not_before"),
    ),
)
