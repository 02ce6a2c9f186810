"""The inputs of a workflow as a command has them: `key=value "key=with spaces"`. Pure."""

from collections.abc import Iterator, Sequence

from bot.errors import Refused
from bot.kernel.sentences import code

# Which marks end a text, by the one that begins it. Phones write the curved ones.
DOUBLE, SINGLE = '"\u201c\u201d\u201e', "'\u2018\u2019"
ENDS = dict.fromkeys(DOUBLE, DOUBLE) | dict.fromkeys(SINGLE, SINGLE)
# How a refusal shows what to write.
FORM = 'key=value, or "key=with spaces"'


def collect(words: Sequence[str]) -> dict[str, str]:
    """The values by key. Raise Refused."""
    found: dict[str, str] = {}
    for word in _whole_words(words):
        key, sign, value = word.partition("=")
        if not (key and sign):
            raise Refused(
                "invalid_arguments", f"{code(word)} is no input of a workflow. Write {FORM}."
            )
        if key in found:
            raise Refused("invalid_arguments", f"the input {code(key)} is given twice.")
        found[key] = value
    return found


def _whole_words(words: Sequence[str]) -> Iterator[str]:
    """The words, with those of `key="with spaces"` as one."""
    ahead = iter(words)
    for word in ahead:
        key, sign, value = word.partition("=")
        if not (sign and value and value[0] in ENDS):
            yield word
            continue
        ends, parts = tuple(ENDS[value[0]]), [value[1:]]
        while not parts[-1].endswith(ends):
            if (following := next(ahead, None)) is None:
                raise Refused(
                    "invalid_arguments",
                    f"the text after {code(key + '=')} has no closing quotation mark.",
                )
            parts.append(following)
        yield f"{key}={' '.join(parts)[:-1]}"
