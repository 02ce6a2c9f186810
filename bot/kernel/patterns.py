"""What a text must look like: its pattern, with the words for one that does not fit."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bot.identity.actors import SLUG

KIND = "shape"


@dataclass(frozen=True)
class Shape:
    """For `Annotated[str, …]`, after the bounds. `words` go on from the argument's name."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text: Any = handler(kind)
        return core_schema.custom_error_schema(
            {**text, "pattern": self.pattern}, KIND, custom_error_message=self.words
        )


SLUG_WORDS = "of lower-case letters, digits and hyphens (not first), at most 63"
AGENT = Shape(f"^{SLUG}$", f"must be an agent's id, {SLUG_WORDS}")
