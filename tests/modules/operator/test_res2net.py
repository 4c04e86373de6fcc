"""Res2Net's hierarchy against timm's, whose untouched part comes last, and against loops."""

import pytest
import torch
from timm.models.res2net import Bottle2neck
from torch import nn
from torch.nn import functional as F

from plugnas.modules.operator.res2net import Res2Net
from tests.modules.generic import generic, rand, same


class Zero(nn.Module):
    def forward(self, x):
        return x.new_zeros(())


@pytest.mark.parametrize(("scale", "stride"), [(4, 1), (4, 2), (6, 1), (2, 2)])
def test_equals_timm(scale, stride):
    width = 3
    channels = width * scale
    ours = generic(Res2Net(channels, channels, scale=scale, stride=stride))
    theirs = Bottle2neck(
        channels, width, stride, base_width=64, scale=scale, norm_layer=nn.BatchNorm2d
    )
    theirs.downsample = Zero()
    theirs.conv1 = theirs.bn1 = theirs.conv3 = theirs.bn3 = nn.Identity()
    theirs = theirs.double().eval()
    for step, conv, norm in zip(ours.steps, theirs.convs, theirs.bns, strict=True):
        conv.load_state_dict(step[0].state_dict())
        norm.load_state_dict(step[1].state_dict())
    x = rand(2, channels, 5, 8).abs()  # the rectifiers around timm's hierarchy then do nothing
    moved = torch.cat([x[:, width:], x[:, :width]], 1)
    y = theirs(moved)
    same(ours(x), torch.cat([y[:, -width:], y[:, :-width]], 1))


def test_change_of_width_and_remainder():
    m = generic(Res2Net(5, 11, scale=4))
    assert [step[0].in_channels for step in m.steps] == [2, 2, 2]
    x = rand(2, 5, 4, 7)

    def layer(pair, t, padding):
        n = pair[1]
        t = F.conv2d(t, pair[0].weight, padding=padding)
        return F.batch_norm(t, n.running_mean, n.running_var, n.weight, n.bias).clamp(min=0)

    z = layer(m.enter, x, 0)
    y2 = layer(m.steps[0], z[:, 5:7], 1)
    y3 = layer(m.steps[1], z[:, 7:9] + y2, 1)
    y4 = layer(m.steps[2], z[:, 9:] + y3, 1)
    same(m(x), torch.cat([z[:, :5], y2, y3, y4], 1))


@pytest.mark.parametrize("widths", [(1, 4), (4, 1), (1, 1), (3, 5)])
def test_few_channels(widths):
    x = torch.randn(2, widths[0], 3, 3)
    assert Res2Net(*widths, stride=2, scale=8)(x).shape == (2, widths[1], 2, 2)
