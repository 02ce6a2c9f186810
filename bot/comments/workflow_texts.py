"""What Hubbub writes on GitHub about workflows, beside the card."""

from collections.abc import Sequence

from bot.kernel.sentences import code

# Steps that an answer names.
MOST_NAMED = 10


def start_reply(workflow_id: str, steps: int, ready: Sequence[str], hint: str | None) -> str:
    """The answer to `/run`."""
    what = "1 step" if steps == 1 else f"{steps} steps"
    are = "It becomes a sub-issue" if steps == 1 else "They become sub-issues"
    shown = ", ".join(map(code, ready[:MOST_NAMED]))
    more = f" and {len(ready) - MOST_NAMED} more" if len(ready) > MOST_NAMED else ""
    first = f" Agents can begin with {shown}{more}." if ready else ""
    said = f"\n\n{hint}" if hint else ""
    return f"Started {code(workflow_id)} with {what}. {are} of this issue.{first}{said}"
