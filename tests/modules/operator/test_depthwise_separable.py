"""Depthwise separable convolution against timm's, and the rest against a loop over channels."""

import pytest
import torch
from timm.models._efficientnet_blocks import DepthwiseSeparableConv
from torch import nn
from torch.nn import functional as F

from plugnas.modules import RefusedError
from plugnas.modules.operator.depthwise_separable import DepthwiseSeparable
from tests.modules.generic import generic, rand, same


def test_equals_timm():
    for k, d, s in ((3, 1, 2), (5, 2, 1)):
        ours = generic(DepthwiseSeparable(6, 10, stride=s, kernel_size=k, dilation=d))
        theirs = DepthwiseSeparableConv(6, 10, k, stride=s, dilation=d).double().eval()
        theirs.bn2 = nn.Identity()  # the host's
        theirs.conv_dw.load_state_dict(ours.depthwise[0].state_dict())
        theirs.bn1.load_state_dict(ours.depthwise[1].state_dict())
        theirs.conv_pw.load_state_dict(ours.pointwise.state_dict())
        x = rand(2, 6, 9, 7)
        same(ours(x), theirs(x))


def test_plain_and_leaky_forms_with_two_filters_per_channel():
    x = rand(2, 3, 6, 7)
    for form in ("plain", "bn_leaky"):
        ours = generic(DepthwiseSeparable(3, 5, form=form, expansion=2))
        depthwise = ours.depthwise[0].weight
        maps = [
            F.conv2d(x[:, i : i + 1], depthwise[2 * i : 2 * i + 2], padding=1) for i in range(3)
        ]
        u = torch.cat(maps, dim=1)
        if form == "bn_leaky":
            norm = ours.depthwise[1]
            for c in range(6):
                z = (u[:, c] - norm.running_mean[c]) / (norm.running_var[c] + norm.eps).sqrt()
                u[:, c] = z * norm.weight[c] + norm.bias[c]
            u = torch.where(u > 0, u, 0.1 * u)
        y = torch.einsum("oi,bixy->boxy", ours.pointwise.weight[:, :, 0, 0], u)
        same(ours(x), y)


def test_unknown_form_is_refused():
    with pytest.raises(RefusedError, match="form"):
        DepthwiseSeparable(3, 5, form="relu6")
