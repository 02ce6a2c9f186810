"""How much work a task is."""

from typing import Literal, TypeAlias, get_args

Size: TypeAlias = Literal["small", "medium", "large"]
# The position is the number in the column.
SIZES: tuple[Size, ...] = get_args(Size)
