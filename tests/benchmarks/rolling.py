"""A rolling update: how many calls of steady clients are answered while servers are replaced."""

import asyncio
import sys
import tempfile
from pathlib import Path

from store.engine.migrate import upgrade
from tests.benchmarks.processes import databases
from tests.support.rolling import CLIENTS, How, play

ROUNDS = 5
STEPS: tuple[tuple[str, How], ...] = (
    ("one", "stop"),
    ("two", "stop"),
    ("one", "kill"),
    ("two", "kill"),
)
GOAL = 0.999


def main() -> None:
    with databases() as found, tempfile.TemporaryDirectory() as folder:
        url = found["MariaDB"]
        upgrade(url)
        result = asyncio.run(play(Path(folder), url, STEPS * ROUNDS, calls_between=500))
    lines = [
        f"two servers, {CLIENTS} clients, {ROUNDS} rounds of two stops and two kills",
        "| calls | answered | share | goal | repeated | longest, s | doubled | lost |",
        "|---|---|---|---|---|---|---|---|",
        (
            f"| {result.calls} | {result.answered} | {result.share:.5f} | {GOAL} "
            f"| {result.repeated} | {result.longest_s:.2f} | {result.doubled} | {result.lost} |"
        ),
        *(f"not answered: {each}" for each in result.failures[:20]),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
