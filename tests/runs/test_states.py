"""The state machine of agent runs."""

import pytest

from bot.runs import states
from bot.runs.states import ENDS, STATES, STEPS, Step


def test_every_state_is_reached_and_every_end_is_final() -> None:
    assert {reached for _, reached in STEPS.values()} | {"queued"} == set(STATES)
    assert ENDS == ("succeeded", "failed", "cancelled", "not_started")
    for end in ENDS:
        assert [step for step in STEPS if states.target(end, step)] == []


@pytest.mark.parametrize(
    ("step", "sources"),
    [
        ("dispatch", ["queued"]),
        ("start", ["dispatched"]),
        # A queued run has nothing to stop: it is cancelled.
        ("stop", ["dispatched", "running"]),
        ("cancel", ["queued", "dispatched", "running", "stopping"]),
        # What has run has not "not started".
        ("not_start", ["queued", "dispatched", "stopping"]),
    ],
)
def test_a_step_is_possible_only_from_its_states(step: Step, sources: list[str]) -> None:
    assert [state for state in STATES if states.target(state, step)] == sources
