"""A plugin of pytest that measures which branches the tests take: `make test COVERAGE=yes`.

Processes that tests start are measured too, as far as they end by themselves. Of the tests on
MySQL only those of the store are measured, because they take long, and the others take the same
branches as on SQLite.
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if is_measured(item.path.parent.name, item.name):
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


def is_measured(room: str, test: str) -> bool:
    return room == "store" or "mysql" not in test


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    # Before a worker says that it has finished: ten seconds later it may be killed.
    MEASURED.stop()
    MEASURED.save()
