"""The tests of the store run with each driver for MySQL. Those of plans need not."""

from pathlib import Path

import pytest

from tests.conftest import DRIVERS, sqlite_copy, with_scheme

BY_DRIVER = {"test_store", "test_outages", "test_tls", "test_drivers", "test_short_connections"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    by_driver = metafunc.module.__name__.rpartition(".")[2] in BY_DRIVER
    if by_driver and "migrated_mysql_url" in metafunc.fixturenames:
        metafunc.parametrize("migrated_mysql_url", DRIVERS, indirect=True)


@pytest.fixture(params=["sqlite", *DRIVERS])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database. On MySQL other tests use it too."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated_sqlite_file"), tmp_path / "hubbub.db")
    return with_scheme(request.getfixturevalue("migrated_mysql"), request.param)
