"""Fixtures of every test of the exports."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_onnx(request: pytest.FixtureRequest) -> None:
    """Most of these tests write ONNX files."""
    if importlib.util.find_spec("onnxscript") is not None:
        request.getfixturevalue("onnx_table")


@pytest.fixture(scope="session", autouse=True)
def quick_checks(forked_checks: None) -> None:
    """Most of these tests check what was written."""
