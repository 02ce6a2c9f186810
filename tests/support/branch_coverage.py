"""A plugin of pytest that measures which branches the tests take: `make test COVERAGE=yes`.

Processes that tests start are measured too, as far as they end by themselves. Tests on MySQL take
long, and most take the same branches as on SQLite, so only those below are measured.
"""

import os
from collections.abc import Iterator

import pytest
from coverage import Coverage

# Starts with the import of the plugin, before the tests import what they measure.
MEASURED = Coverage(data_suffix=True)
MEASURED.start()
# A process that has it measures itself: coverage looks for it at the start of each Python. That is
# what its `patch = subprocess` does, but for the workers of pytest too, which have this plugin.
VARIABLE, CONFIG = "COVERAGE_PROCESS_CONFIG", MEASURED.config.serialize()


# The room and the module that show what only MySQL has: the engine, and search. Servers of several
# processes do too, but measured ones start so late on a busy machine that their tests time out.
ON_MYSQL = frozenset({"store", "test_search"})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if "mysql" not in item.name or {item.path.parent.name, item.path.stem} & ON_MYSQL:
        os.environ[VARIABLE] = CONFIG
        try:
            return (yield)
        finally:
            del os.environ[VARIABLE]
    MEASURED.stop()
    try:
        return (yield)
    finally:
        MEASURED.start()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    # Before a worker says that it has finished: ten seconds later it may be killed.
    MEASURED.stop()
    MEASURED.save()
