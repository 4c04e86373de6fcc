"""The rendering transformer against transcriptions of the paper and of the circulating form."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules.fusion.fpt_rendering import FPTRendering
from tests.modules.test_fuse import close, scrambled

GATES = {
    "identity": lambda w: w,
    "relu": lambda w: w.clamp(min=0),
    "sigmoid": lambda w: 1 / (1 + torch.exp(-w)),
}


def conv3(x, weight, stride=1):
    """3x3 convolution of (B, C, H, W) with zero padding 1, window by window."""
    padded = F.pad(x, (1, 1, 1, 1))
    rows = [
        torch.stack(
            [
                padded[:, :, i : i + 3, j : j + 3].flatten(1) @ weight.flatten(1).T
                for j in range(0, x.shape[3], stride)
            ],
            -1,
        )
        for i in range(0, x.shape[2], stride)
    ]
    return torch.stack(rows, 2)


def point(x, weight):
    return torch.einsum("bchw,oc->bohw", x, weight[:, :, 0, 0])


def norm(n, x):
    return F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias, eps=n.eps)


@pytest.mark.parametrize("gate", GATES)
def test_paper(gate):
    torch.manual_seed(0)
    module = scrambled(FPTRendering(4, gate=gate, y_channels=3))
    x = torch.randn(2, 4, 6, 10, dtype=torch.float64)
    y = torch.randn(2, 3, 3, 5, dtype=torch.float64)
    keys = point(x, module.key.weight)
    weight = GATES[gate](keys.mean((2, 3)))[:, :, None, None]
    query = point(y, module.query.weight) * weight
    small = conv3(query, module.mix.weight) + conv3(x, module.value.weight, stride=2)
    close(module(x, y), F.interpolate(small, size=(6, 10), mode="bilinear"))


@pytest.mark.parametrize("gate", GATES)
def test_circulating(gate):
    torch.manual_seed(0)
    module = scrambled(FPTRendering(4, form="circulating", gate=gate, y_channels=3))
    x = torch.randn(2, 4, 6, 10, dtype=torch.float64)
    y = torch.randn(2, 3, 6, 10, dtype=torch.float64)
    mean = x.mean((2, 3), keepdim=True)
    weight = GATES[gate](norm(module.key[1], point(mean, module.key[0].weight)))
    query = norm(module.query[1], conv3(y, module.query[0].weight)) * weight
    skip = norm(module.project[1], point(y, module.project[0].weight))
    close(module(x, y), torch.relu(skip + query))


def test_ratio_that_is_no_integer():
    module = FPTRendering(4)
    assert module(torch.randn(1, 4, 7, 5), torch.randn(1, 4, 3, 4)).shape == (1, 4, 7, 5)
