"""How urgent a task or a message is."""

from typing import Literal, TypeAlias, get_args

Priority: TypeAlias = Literal["low", "medium", "high"]
# As the columns number them.
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
