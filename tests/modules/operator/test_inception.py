"""The Inception module against torchvision's, and its branches one by one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.googlenet import Inception as Theirs

from plugnas.modules.operator.inception import Inception
from tests.modules.generic import generic, rand, same


def test_equals_torchvision():
    """Module 3a's widths; torchvision's third branch has a 3 x 3, and norms at the ends."""
    ours = generic(Inception(12, 256, kernel_size=3))
    theirs = generic(Theirs(12, 64, 96, 128, 16, 32, 32), seed=5)
    for m in theirs.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.eps = 1e-5
    b = ours.branches
    pairs = [
        (b["small"][0], theirs.branch2[0]),
        (b["large"][0], theirs.branch3[0]),
    ]
    for mine, other in pairs:
        other.conv.load_state_dict(mine[0].state_dict())
        other.bn.load_state_dict(mine[1].state_dict())
    ends = [
        (b["point"], theirs.branch1),
        (b["small"][1], theirs.branch2[1]),
        (b["large"][1], theirs.branch3[1]),
        (b["pool"][1], theirs.branch4[1]),
    ]
    for mine, other in ends:
        other.conv.load_state_dict(mine.state_dict())
    norm = nn.BatchNorm2d(256).double().eval()  # the host's
    for name in ("weight", "bias", "running_mean", "running_var"):
        parts = [getattr(other.bn, name) for _, other in ends]
        getattr(norm, name).data.copy_(torch.cat(parts))
    x = rand(2, 12, 5, 7)
    same(norm(ours(x)).relu(), theirs(x))


@pytest.mark.parametrize(
    ("cout", "kernel_size", "reduction", "widths"),
    [
        (16, 5, 1, (4, 8, 2, 2, 6, 1)),
        (30, 7, 2, (7, 17, 3, 3, 5, 1)),
    ],
)
def test_branches(cout, kernel_size, reduction, widths):
    m = generic(Inception(5, cout, stride=2, kernel_size=kernel_size, reduction=reduction))
    b = m.branches
    assert widths == (
        b["point"].out_channels, b["small"][1].out_channels, b["large"][1].out_channels,
        b["pool"][1].out_channels, b["small"][1].in_channels, b["large"][1].in_channels,
    )  # fmt: skip
    x = rand(2, 5, 7, 4)

    def narrow(layer):
        n = layer[1]
        z = torch.einsum("bchw,oc->bohw", x, layer[0].weight[:, :, 0, 0])
        z = (z.movedim(1, -1) - n.running_mean) / (n.running_var + n.eps).sqrt()
        return (z * n.weight + n.bias).movedim(-1, 1).clamp(min=0)

    expected = [
        torch.einsum("bchw,oc->bohw", x[:, :, ::2, ::2], b["point"].weight[:, :, 0, 0]),
        F.conv2d(narrow(b["small"][0]), b["small"][1].weight, stride=2, padding=1),
        F.conv2d(narrow(b["large"][0]), b["large"][1].weight, stride=2, padding=kernel_size // 2),
    ]
    padded = F.pad(x, (1, 1, 1, 1), value=float("-inf"))
    maxima = padded.unfold(2, 3, 2).unfold(3, 3, 2).amax((-1, -2))
    expected.append(torch.einsum("bchw,oc->bohw", maxima, b["pool"][1].weight[:, :, 0, 0]))
    same(m(x), torch.cat(expected, 1))


@pytest.mark.parametrize("cout", [1, 2, 7, 9])
def test_few_channels(cout):
    assert Inception(3, cout)(torch.randn(2, 3, 4, 4)).shape == (2, cout, 4, 4)
