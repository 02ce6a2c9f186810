"""Types of arguments that several operations with contexts take."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from bot.contexts import contents, versions
from bot.identity.actors import EVERYBODY, ROLES, SLUG
from bot.kernel.patterns import Shape

# The audit log leaves it out, because the database stores it encrypted.
Content: TypeAlias = Annotated[
    Any,
    AfterValidator(contents.validate),
    Field(repr=False, description="a text, or any other JSON"),
]


ContextId: TypeAlias = Annotated[str, Field(max_length=40, description="the context's id")]


Name: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=200, description="a name for people")
]


Remark: TypeAlias = Annotated[str, Field(max_length=500, description="what changed")]


Number: TypeAlias = Annotated[
    int, Field(ge=1, le=versions.MOST_VERSIONS, description="a version's number")
]


Grantee: TypeAlias = Annotated[
    str,
    Field(
        max_length=320,
        description="an agent's id, role:developer, everybody, or task:owner/repo#12",
    ),
    Shape(
        rf"^({EVERYBODY}|role:({'|'.join(ROLES)})|task:\S+|{SLUG})$",
        f"must be an agent's id, role: and one of {', '.join(ROLES)}, everybody, or "
        "task:owner/repo#12",
    ),
]
