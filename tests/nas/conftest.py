"""Fixtures of every test of the nas room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_latency_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests' evaluations and other users' latency measurements out of each other's way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield
