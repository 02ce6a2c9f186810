"""`make test COVERAGE=yes` fails if the tests take too few branches, however many lines they do."""

import io
import json

import pytest

from tests.support import branch_bound


@pytest.mark.parametrize(
    ("taken", "status", "said"),
    [
        (
            14_829,
            0,
            "The tests take 14,829 of 16,476 branches, 90.0 %. The bound is 90 %.\n",
        ),
        (
            14_828,
            1,
            "The tests take 14,828 of 16,476 branches, 89.9 %. The bound is 90 %: add tests.\n",
        ),
    ],
)
def test_the_share_of_branches_alone_decides(
    taken: int,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    totals = {"percent_covered": 99.0, "covered_branches": taken, "num_branches": 16_476}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"totals": totals})))
    with pytest.raises(SystemExit) as ended:
        branch_bound.main()
    assert (ended.value.code, capsys.readouterr().out) == (status, said)
