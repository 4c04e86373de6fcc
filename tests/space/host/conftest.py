"""The networks of these tests as hosts that a job can name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("networks.py")


def load_networks():
    name = "_host_networks"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FILE)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def networks():
    return load_networks()


@pytest.fixture(scope="session")
def here():
    return FILE.parent
