"""A cache of its own for every test."""

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUGNAS_CACHE", str(tmp_path / "cache"))
