"""The calls that a move on a board stands for."""

from bot.inbox import board_steps
from tests.comments.test_card_text import LEFT, MINE, task_of


def test_a_move_back_to_todo_releases_work_also_in_a_review_that_nobody_holds() -> None:
    for task in (MINE, LEFT):
        (step,) = board_steps.of_state(task_of(**task), "pending")
        assert (step.verb, step.operation) == ("release", "release_task")


def test_a_move_of_a_free_task_back_to_todo_ends_its_reservation() -> None:
    (step,) = board_steps.of_state(task_of(state="assigned", assigned_to="ada"), "pending")
    assert (step.verb, step.operation) == ("assign", "assign_task")
