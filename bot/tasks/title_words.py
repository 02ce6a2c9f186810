"""The words of a title. Two titles with the same words mean the same task."""

import re

# C, C++ and C# are three languages.
WORD = re.compile(r"\w+[+#]*")
# Words that say nothing about the task.
SMALL = frozenset(("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "the", "to"))


def of(title: str) -> tuple[str, ...]:
    """The words of a title in alphabetical order, without letter case, punctuation, small words."""
    found = WORD.findall(title.casefold())
    telling = [each for each in found if each not in SMALL]
    return tuple(sorted(telling or found or [title.strip()]))
