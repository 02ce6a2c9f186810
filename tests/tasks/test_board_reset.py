"""A board whose options were all made again, as one mutation of GitHub's GraphQL does."""

from tests.support.boards import COLUMNS, open_board
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace
from tests.tasks.test_board_moves import reports


@ON_SQLITE
async def test_options_with_new_ids_get_their_tasks_back(workspace: Workspace) -> None:
    """brockamer/findajob#97: with one more option, all get new ids, and items lose theirs."""
    story = await open_board(workspace)
    held, free = await story.claimed("Held"), await story.on_board("Free")
    for name in COLUMNS:
        workspace.person.delete_status(story.project, name)
        workspace.person.add_status(story.project, name)
    await story.report(held, "in_review")
    await story.rest(13 * 3600)
    await story.rest(300)
    assert [story.status(each) for each in (held, free)] == ["In Review", "Todo"]
    assert reports(workspace) == []
    await story.drag(free, "Done")
    assert await story.state(free) == "completed"
