"""Who may act: credentials of agents and people."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.agents import Role
from store.tables.columns import KEY, Default, Index, Json, Table, Text

# api_key: a token that an administrator made. session: what a login or an exchange made; its access
# and refresh tokens name it. actions_token: a job's token that made a session, and cannot again.
# browser: a login in a browser, of a person or of the operator. link: opens one of the operator.
# The other kinds are used to get one of these.
CredentialKind: TypeAlias = Literal[
    "api_key",
    "session",
    "invitation",
    "authorization_code",
    "device_code",
    "browser",
    "link",
    "actions_token",
]


class CredentialRow(TypedDict):
    """`id`: the public part of the token. `hash`: of the whole token, or what is to be hashed."""

    id: Annotated[str, KEY, Text(60)]
    # 0 if it belongs to a person, not to an installation.
    installation_id: int
    kind: Annotated[CredentialKind, Text(20)]
    # The session that this credential made, or that it belongs to.
    family: Annotated[str | None, Text(60)]
    # An agent's id, or `@login`.
    actor: Annotated[str, Text(120)]
    # GitHub's id of the person, or of the person who granted it.
    person_id: int | None
    role: Annotated[Role, Text(20)]
    # The ids of the repositories that it may use. None: all of the installation.
    repositories: Json | None
    name: Annotated[str, Text(200), Default("''")]
    # The OAuth client that got it.
    client: Annotated[str, Text(500), Default("''")]
    # What only its kind has.
    data: Json | None
    hash: Annotated[str, Text(64)]
    # How often the refresh token of a session was replaced.
    generation: Annotated[int, Default("0")]
    # When that was done last.
    advanced_at: int | None
    created_at: int
    created_by: Annotated[str, Text(120), Default("''")]
    expires_at: int | None
    last_used_at: int | None
    # How often it may be used. None: any number of times.
    uses_left: int | None
    revoked_at: int | None


TABLES = (
    Table(
        "credentials",
        CredentialRow,
        Index("ix_credentials_actor", "installation_id", "actor"),
        Index("ix_credentials_ends", "installation_id", "expires_at"),
        Index("ix_credentials_revoked", "revoked_at"),
        Index("ix_credentials_expires", "expires_at"),
        Index("ix_credentials_person", "person_id"),
    ),
)
