"""Whether two titles mean the same task: they have the same words."""

import re

WORD = re.compile(r"\w+")
# Words that say nothing about the task.
SMALL = frozenset(("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "the", "to"))


def words(title: str) -> tuple[str, ...]:
    """The words of a title in alphabetical order, without letter case, punctuation, small words."""
    found = WORD.findall(title.casefold())
    telling = [each for each in found if each not in SMALL]
    return tuple(sorted(telling or found or [title.strip()]))
