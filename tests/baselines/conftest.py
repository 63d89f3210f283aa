"""One thread for each test: on a shared machine OpenMP's threads wait for each other far longer than they work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Hold scikit-learn's thread pools at one thread."""
    import sklearn.ensemble  # noqa: F401, loads the pools that are to be limited

    with threadpool_limits(1):
        yield
