"""The part of the card about a plan that waits for a person: its steps as a table and a picture.

Agents wrote the steps, so everything of them is shown as data: as code, or as escaped labels.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot import secret_formats
from bot.comments import mermaid
from bot.comments.mermaid import Node
from bot.comments.replies import block_quote
from bot.kernel import untrusted_text
from bot.kernel.sentences import code, inline, shorten
from store.tables.approvals import PlanProposalRow

LONGEST_TITLE = 100
LONGEST_BODY = 2_000
# A vertical bar would end the cell of a table, also in code.
BAR = chr(0x2223)
FENCES = re.compile(r"`{3,}")


def lines(proposal: PlanProposalRow | None) -> list[str]:
    """The parts of the card, each of which is left out alone if the card would be too long."""
    if proposal is None:
        return []
    steps: list[dict[str, Any]] = proposal["definition"]["steps"]
    how = f" by the strategy {code(proposal['strategy'])}" if proposal["strategy"] else ""
    n = proposal["size"]
    tasks = "one task" if n == 1 else f"{n} tasks"
    head = (
        f"**{code(proposal['proposed_by'])} proposes a plan** of {tasks}{how}. `/approve` makes "
        "them sub-issues of this issue; `/reject` with a note asks for another plan."
    )
    note = [block_quote(proposal["note"])] if proposal["note"] else []
    return [head, *note, table(steps), mermaid.picture(list(map(_node, steps))), _bodies(steps)]


def digest(proposal: PlanProposalRow | None) -> list[str]:
    """What people act on."""
    return [] if proposal is None else [f"plan {proposal['id']}"]


def table(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| Step | Title | Waits for | For |", "| --- | --- | --- | --- |"]
    for each in steps:
        cells = (
            _cell(each["id"]),
            _cell(shorten(each["title"], LONGEST_TITLE)),
            ", ".join(_cell(need) for need in each.get("needs", ())),
            _cell(_for_whom(each)),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    seen = untrusted_text.UNSEEN.sub("", text)
    return inline(seen.replace("|", BAR)) if seen.strip() else ""


def _for_whom(step: Mapping[str, Any]) -> str:
    if "approve" in step:
        return "people" if _by(step["approve"]) != "agents" else "agents vote"
    who = [step.get("agent"), step.get("template"), step.get("role")]
    needs = step.get("capability") or []
    able = [needs] if isinstance(needs, str) else needs
    return ", ".join([*(str(each) for each in who if each), *able])


def _by(gate: Any) -> Any:
    return gate.get("by") if isinstance(gate, Mapping) else gate


def _node(step: Mapping[str, Any]) -> Node:
    return Node(step["id"], step["title"], step.get("needs", ()), is_gate="approve" in step)


def _bodies(steps: Sequence[Mapping[str, Any]]) -> str:
    """The texts of the steps, folded."""
    found = [(each["id"], each["body"]) for each in steps if each.get("body")]
    if not found:
        return ""
    shown = "\n\n".join(f"{_cell(key)}\n\n{_block(body)}" for key, body in found)
    return f"<details><summary>What each step says</summary>\n\n{shown}\n\n</details>"


def _block(text: str) -> str:
    """A text as a block of code, which no line of it can end."""
    seen = shorten(secret_formats.mask(untrusted_text.visible(text))[0], LONGEST_BODY)
    fence = "`" * (max(map(len, FENCES.findall(seen)), default=3) + 1)
    return f"{fence}text\n{seen}\n{fence}"
