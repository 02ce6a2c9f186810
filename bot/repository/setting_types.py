"""Types of settings that several groups of `.github/hubbub.yml` share."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.kernel.patterns import Shape
from bot.quotas.money import AMOUNT, AMOUNT_WORDS, from_number, micros

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^\S(.*\S)?$")]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _is_above_zero(given: str) -> str:
    if not micros(given):
        raise ValueError("must be above 0; remove the key for no cap")
    return given


# A whole number in the file becomes its text, so that no amount is ever a float.
Amount: TypeAlias = Annotated[
    str,
    Shape(AMOUNT, AMOUNT_WORDS),
    BeforeValidator(from_number),
    AfterValidator(_is_above_zero),
]
