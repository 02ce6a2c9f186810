"""Strings with a pattern, and the error text for a string that does not match it."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bot.identity.actors import SLUG

KIND = "shape"


@dataclass(frozen=True)
class Shape:
    """For `Annotated[str, …]`, behind the length limits. `words` continue the argument's name."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text: Any = handler(kind)
        return core_schema.custom_error_schema(
            {**text, "pattern": self.pattern}, KIND, custom_error_message=self.words
        )


SLUG_WORDS = "1 to 63 lower-case letters, digits and hyphens, a hyphen not first"
AGENT = Shape(f"^{SLUG}$", f"must be an agent's id: {SLUG_WORDS}")
