"""The examples by which people know the modules give the quoted output shapes."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch

import tests.modules.examples
from plugnas import modules

EXAMPLES = [
    example
    for module in pkgutil.iter_modules(tests.modules.examples.__path__)
    for example in importlib.import_module(f"tests.modules.examples.{module.name}").EXAMPLES
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.key}-{e.inputs[0]}")
def test_example(example):
    # Shapes as large as people quote them, so without values; those are the numerics tests'.
    with torch.device("meta"):
        module = modules.get(example.key).cls(*example.args, **example.kwargs).eval()
        y = module(*(torch.rand(shape) for shape in example.inputs), **example.call)
    assert tuple(y.shape) == example.output
