"""How far a run may go."""

from bot.protocols.openai.options import Options
from bot.protocols.openai.turns import Conversation
from bot.quotas.money import micros
from bot.times import MINUTE

# The shortest wait after a failure of the endpoint in a run that got on.
PAUSE_S = 10.0


def limit_reason(options: Options, talk: Conversation, now: int) -> str:
    """Which limit the run has reached, in words; '' if none."""
    if len(talk.replies) >= options.max_turns:
        return f"it took {options.max_turns} turns, which is its limit"
    used = talk.total_use
    if used.total >= options.max_tokens:
        return f"it used {used.total} tokens; its limit is {options.max_tokens}"
    spent = options.cost(used.fresh, used.cached, used.output)
    if options.max_cost is not None and spent >= micros(options.max_cost):
        return f"it spent its limit of {options.max_cost}"
    # A wait for people does not count.
    began = max(each.at for each in talk.steps if each.kind in ("opening", "pause"))
    if now - began >= options.max_minutes * MINUTE:
        return f"it took {options.max_minutes} minutes, which is its limit"
    return ""
