"""Code that was read from GitHub or committed through Hubbub. Nobody reads it again."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, Index, Table, Text


class CodeObjectRow(TypedDict):
    """One object of a repository's code. All kinds but `name` never change.

    The kinds and their ids: `name` a name of a commit, `commit` its SHA, `tree` and `blob` the SHA
    of git's object, `diff` two commits, or a pull request with its base and its head, `problems`
    the SHA of a workflow file.
    """

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    kind: Annotated[str, KEY, Text(10)]
    id: Annotated[str, KEY, Text(400)]
    # Compressed.
    content: bytes
    # Bytes of `content`.
    size: int
    # For `name`, when GitHub said so; for the others, about when it was used last.
    used_at: int


TABLES = (
    Table(
        "code_objects",
        CodeObjectRow,
        # The oldest are dropped when an installation has too many bytes.
        Index("ix_code_objects_used", "installation_id", "used_at", "size"),
    ),
)
