"""Says which share of all branches the tests take, and fails below the bound.

`coverage json -q -o - | python -m tests.support.branch_bound`. A bound of coverage itself would
count lines and branches together.
"""

import json
import sys

AT_LEAST_PERCENT = 90


def main() -> None:
    totals = json.load(sys.stdin)["totals"]
    taken, of = totals["covered_branches"], totals["num_branches"]
    # In tenths, rounded down: 89.96 % is not 90.
    tenths = 1000 * taken // of
    share = f"The tests take {taken:,} of {of:,} branches, {tenths / 10:.1f} %"
    is_enough = tenths >= 10 * AT_LEAST_PERCENT
    advice = "." if is_enough else ": add tests."
    sys.stdout.write(f"{share}. The bound is {AT_LEAST_PERCENT} %{advice}\n")
    sys.exit(0 if is_enough else 1)


if __name__ == "__main__":
    main()
