"""Fixtures of every test of the nas room."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_latency_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests' evaluations and other users' latency measurements out of each other's way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUGNAS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="session")
def onnx_table() -> Iterator[None]:
    """Read torch's table of ONNX operators once: it takes a second, at every export anew."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        read = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
        patch.setattr(ONNXRegistry, "from_torchlib", read)
        yield


@pytest.fixture(scope="session")
def forked_checks() -> Iterator[None]:
    """Check exports in children of one process that has loaded torch; see its file."""
    from plugnas.nas.export import check
    from tests.nas.forked_checks import Checker

    checker = Checker()
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(check, "_run", checker)
        yield
    checker.close()
