"""What people set of a tracker is tried before it is stored, and wrong calls say what to do."""

from typing import Any

import pytest

from bot.errors import Refused
from store.trackers import trackers
from tests.support.agent_endpoints import lead
from tests.support.gitlab import TOKEN
from tests.support.tracker_rows import put_tracker
from tests.support.trackers import Tracked


async def manage(both: Tracked, **given: Any) -> str:
    """The refusal of a call."""
    with pytest.raises(Refused) as caught:
        await lead(both.workspace).call("manage_tracker", **{"tracker": "acme"} | given)
    return f"{caught.value.code}: {caught.value.message}"


async def test_a_tracker_that_does_not_answer_as_it_should_is_not_stored(both: Tracked) -> None:
    for given, words in (
        ({"secret": "glpat-of-nobody"}, "It answered 401 to the token. It needs the scope api."),
        ({"project": "group/none"}, "It answered 404 for the project 'group/none'."),
    ):
        with pytest.raises(Refused) as caught:
            await both.add(**given)
        found = f"{caught.value.code}: {caught.value.message}"
        assert found == f"tracker_unavailable: Nothing was changed. {words}"
    assert (await lead(both.workspace).call("list_trackers"))["trackers"] == []


async def test_only_the_token_of_a_tracker_changes(both: Tracked) -> None:
    await both.add()
    words = (
        "invalid_arguments: Only the token can change: pass `secret` and nothing else. For another "
        "project, remove the tracker and add it again."
    )
    assert await manage(both, action="change") == words
    assert await manage(both, action="change", project="group/other", secret=TOKEN) == words
    assert "8 to 500 characters" in await manage(both, action="change", secret="short")
    assert "Nothing was changed. It answered 401" in await manage(
        both, action="change", secret="glpat-of-nobody"
    )
    await lead(both.workspace).call("manage_tracker", tracker="acme", action="change", secret=TOKEN)


async def test_a_paused_tracker_is_not_polled(both: Tracked) -> None:
    await both.add()
    person = lead(both.workspace)
    await person.call("manage_tracker", tracker="acme", action="pause")
    assert "acme is paused. Resume it first." in await manage(both, action="poll")
    assert "takes no other argument" in await manage(both, action="resume", secret=TOKEN)
    found = await person.call("manage_tracker", tracker="acme", action="resume")
    assert found["tracker"]["state"] == "running"


async def test_what_a_new_tracker_lacks_is_said(both: Tracked) -> None:
    for given, words in (
        ({"tracker": "Acme!"}, "pass a name of small letters, digits and -"),
        ({"url": None}, "Pass `url`, `project`, `repository` and `secret`."),
        ({"secret": None}, "Pass `url`, `project`, `repository` and `secret`."),
        ({"repository": "acme/none"}, "There is no repository 'acme/none' here."),
        ({"url": "http://10.0.0.1"}, "must begin with https"),
    ):
        with pytest.raises(Refused, match=words):
            await both.add(**given)
    await both.add()
    with pytest.raises(Refused, match="There is a tracker 'acme' already"):
        await both.add()


async def test_a_tracker_that_is_removed_leaves_its_tasks(both: Tracked) -> None:
    there = both.gitlab.open()
    await both.add()
    await both.rest(60)
    person, issue = lead(both.workspace), await both.issue_of(there)
    found = await person.call("manage_tracker", tracker="acme", action="remove")
    assert "tracker" not in found or found["tracker"] is None
    assert (await person.call("list_trackers"))["trackers"] == []
    kept = await person.call("get_task", task=both.workspace.name(issue))
    assert kept["task"]["state"] == "pending"
    # It can be added again under its name, and makes no second task.
    assert "There is no tracker 'acme'" in await manage(both, action="poll")


async def test_an_installation_has_so_many_trackers_and_no_more(both: Tracked) -> None:
    for n in range(trackers.MOST):
        await put_tracker(both.workspace, f"t{n}")
    with pytest.raises(Refused) as caught:
        await both.add()
    assert (caught.value.code, caught.value.details) == ("too_many", {"most": trackers.MOST})
