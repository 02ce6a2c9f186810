"""Types of arguments that several operations with messages take."""

from typing import Annotated, TypeAlias

from pydantic import Field

from bot.identity.actors import EVERYBODY, ROLES, SLUG
from bot.kernel.patterns import Shape

Recipient: TypeAlias = Annotated[
    str,
    Field(
        max_length=140,
        description="an agent's id, role:developer, capability:python, everybody, holder, or "
        "the @login that asked",
    ),
    Shape(
        rf"^({EVERYBODY}|role:({'|'.join(ROLES)})|capability:\S+|@[A-Za-z0-9][\w-]*|{SLUG})$",
        f"must be one of these: an agent's id, role: and one of {', '.join(ROLES)}, capability: "
        "and a slug, everybody, holder, or with `reply_to` the @login of the person who asked; "
        "for other people call github_comment_issue",
    ),
]


# Not what looks like a list of ids in a string.
_ID = Shape(r"^[^\s\[{]", "must be a message's id")
MessageId: TypeAlias = Annotated[str, Field(max_length=40, description="the message's id"), _ID]


MessageIds: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=100)
]
