"""How urgent a task or a message is."""

from typing import Literal, TypeAlias, get_args

Priority: TypeAlias = Literal["low", "medium", "high"]
# The position is the number in the column.
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
