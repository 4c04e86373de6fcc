"""Small images and a small network, so that a training takes a moment."""

import pytest
import torch
from torch import nn

from plugnas.nas.data import load as load_data


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    return load_data("digits", cache=tmp_path_factory.mktemp("cache"))


def small_network(width=16, dropout=0.0):
    """Two convolutions and a classifier, about 5,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


@pytest.fixture
def network():
    return small_network


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before
