"""PReLU against torch's, weights copied over."""

import pytest
import torch

from plugnas.modules.activation.prelu import PReLU
from tests.modules.generic import generic, rand, same


@pytest.mark.parametrize("shared", [False, True])
def test_equals_torch(shared):
    ours = generic(PReLU(5, shared=shared))
    theirs = torch.nn.PReLU(1 if shared else 5).double()
    assert ours.slope.shape == theirs.weight.shape
    theirs.load_state_dict({"weight": ours.slope})
    x = rand(2, 5, 3, 4)
    same(ours(x), theirs(x))
    slope = ours.slope.expand(5)[:, None, None]
    same(ours(x), torch.where(x > 0, x, slope * x))


def test_starts_at_a_quarter():
    y = PReLU(3)(torch.tensor([-4.0, 2.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2))
    assert y[0, 2, 0].tolist() == [-1.0, 2.0]
