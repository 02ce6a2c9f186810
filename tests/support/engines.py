"""Marks for tests in which the engine plays no part, so that they run on one engine."""

import pytest

# The fixture `store_url`, and all that is built on it.
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
# Beside more examples of the same test on SQLite: the engines have the same queries.
ON_MYSQL = pytest.mark.parametrize("store_url", ["mysql"], indirect=True)
# The fixture `own_url`.
OWN_ON_SQLITE = pytest.mark.parametrize("own_url", ["sqlite"], indirect=True)
OWN_ON_MYSQL = pytest.mark.parametrize("own_url", ["mysql"], indirect=True)
