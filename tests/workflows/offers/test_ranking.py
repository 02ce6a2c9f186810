"""Which agent gets a ready step first."""

from hypothesis import given
from hypothesis import strategies as st

from bot.workflows.offers.ranking import CRITERIA, Candidate, Criterion, rank

candidates = st.builds(
    Candidate,
    agent_id=st.text("abc", min_size=1, max_size=3),
    spare=st.integers(0, 3),
    holds=st.integers(0, 3),
    done=st.integers(0, 30),
    failed=st.integers(0, 30),
    all_done=st.integers(30, 60),
    all_failed=st.integers(30, 60),
    price=st.none() | st.integers(0, 10**9),
    had_it=st.booleans(),
)


def first(*prefer: Criterion, among: tuple[Candidate, ...]) -> str:
    return rank(prefer, among)[0].agent_id


def test_each_criterion_decides_when_it_comes_first() -> None:
    busy_expert = Candidate("expert", spare=0, holds=3, done=19, failed=1, price=900_000)
    free_novice = Candidate("novice", spare=2, holds=0, done=1, failed=4, price=100_000)
    both = (busy_expert, free_novice)
    assert [first(each, among=both) for each in CRITERIA] == [
        *("expert", "expert"),
        *("novice", "novice"),
    ]


def test_nearly_equal_success_leaves_the_decision_to_the_next_criterion() -> None:
    one = Candidate("one", holds=1, done=95, failed=5)
    other = Candidate("other", holds=0, done=94, failed=6)
    assert first("success", "load", among=(one, other)) == "other"


def test_an_agent_without_such_a_task_is_judged_by_its_others() -> None:
    good, bad = Candidate("z", all_done=20), Candidate("a", all_failed=20)
    assert first("success", among=(good, bad)) == "z"


def test_who_had_the_task_before_comes_last_by_any_policy() -> None:
    before = Candidate("a", done=100, had_it=True)
    assert first(*CRITERIA, among=(before, Candidate("b", holds=9, failed=9))) == "b"


def test_an_agent_without_a_price_comes_after_those_with_one() -> None:
    assert first("price", among=(Candidate("a"), Candidate("b", price=10**9))) == "b"


def test_the_reason_says_what_counted() -> None:
    found = rank(
        ("load",),
        (
            Candidate("ada", done=9, failed=1, price=120_000),
            Candidate("bob", holds=1, all_done=12, all_failed=1),
            Candidate("cy", holds=2, had_it=True),
        ),
    )
    assert [(each.agent_id, each.why) for each in found] == [
        ("ada", "9 of 10 such tasks done, holds 0 tasks, 0.12 per task"),
        ("bob", "no such task yet, 12 of 13 others done, holds 1 task"),
        ("cy", "no task yet, holds 2 tasks, had this task before"),
    ]


@given(st.permutations(CRITERIA), st.lists(candidates, unique_by=lambda each: each.agent_id))
def test_the_order_does_not_depend_on_the_order_of_the_candidates(
    prefer: list[Criterion], given_: list[Candidate]
) -> None:
    order = [each.agent_id for each in rank(prefer, given_)]
    assert order == [each.agent_id for each in rank(prefer, given_[::-1])]
    assert sorted(order) == sorted(each.agent_id for each in given_)
