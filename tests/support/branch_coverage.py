"""A plugin of pytest that measures which branches the tests take: `make test COVERAGE=yes`.

Tests on MySQL are not measured, because that takes long and they take the same branches but those
of the engine. Processes that tests start are not measured either.
"""

from collections.abc import Iterator

import pytest
from coverage import Coverage

# Starts with the import of the plugin, before the tests import what they measure.
MEASURED = Coverage(data_suffix=True)
MEASURED.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if "mysql" not in item.name:
        return (yield)
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
