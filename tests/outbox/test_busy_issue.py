"""A busy issue costs few writes."""

from tests.support import busy_issue
from tests.support.story import Workspace

# Ten of the events are commands, each with an answer, and the card shows what they changed.
MOST = 35


async def test_a_hundred_events_on_one_issue_cost_few_writes(workspace: Workspace) -> None:
    spent = await busy_issue.play(workspace)
    assert spent.events == 100
    assert spent.in_all <= MOST, spent.own
    assert spent.by_agent == 0
