"""Marks for tests in which the engine plays no part, so that they run on one engine."""

import pytest

# The fixture `store_url`, and all that is built on it.
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
# The fixture `own_url`.
OWN_ON_SQLITE = pytest.mark.parametrize("own_url", ["sqlite"], indirect=True)
