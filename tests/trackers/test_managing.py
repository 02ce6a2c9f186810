"""What people set of a tracker is tried before it is stored, and wrong calls say what to do."""

from typing import Any

import pytest

from bot.errors import Refused
from tests.support.agent_endpoints import lead
from tests.support.gitlab import TOKEN
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
