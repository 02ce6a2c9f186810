"""Features that are turned off on GitHub, such as the issues of a repository.

GitHub answers 410 "Issues are disabled for this repo". Nothing was deleted: the issues are there
again when somebody turns the feature on.
"""

import re

from bot.github.outcomes import Outcome

# A message of status 422 may quote what somebody wrote, so its words prove nothing.
STATUSES = (403, 404, 410)
WORDS = re.compile(r"\b(?:disabled|turned off|switched off|not enabled)\b", re.IGNORECASE)


def is_off(outcome: Outcome) -> bool:
    """Whether GitHub refused a request only because the feature is turned off."""
    return outcome.status in STATUSES and WORDS.search(outcome.words) is not None
