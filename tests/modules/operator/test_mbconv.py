"""MBConv against torchvision's, weights copied over."""

import torch
from torch import nn
from torchvision.models import efficientnet as tv

from plugnas.modules.operator.mbconv import MBConv
from tests.modules.generic import check_deploy, copy_in_order, generic, rand, same


def test_equals_torchvision():
    cases = [(4, 3, 1, 8, 8), (1, 5, 2, 8, 16), (6, 5, 1, 8, 24), (3, 3, 2, 8, 8)]
    for expansion, k, s, cin, cout in cases:
        ours = generic(MBConv(cin, cout, stride=s, kernel_size=k, expansion=expansion))
        config = tv.MBConvConfig(expansion, k, s, cin, cout, 1, 1.0, 1.0)
        theirs = tv.MBConv(config, 0.0, nn.BatchNorm2d).double().eval()
        copy_in_order(theirs, ours)
        x = rand(2, cin, 7, 6)
        same(ours(x), theirs(x))


def test_without_squeeze_excitation():
    ours = generic(MBConv(6, 6, se_reduction=0, expansion=3))
    expand, depthwise, project = ours.layers
    u = nn.functional.silu(expand[1](expand[0](rand(2, 6, 5, 7))))
    u = nn.functional.silu(depthwise[1](depthwise[0](u)))
    same(ours(rand(2, 6, 5, 7)), project[1](project[0](u)) + rand(2, 6, 5, 7))


def test_stochastic_depth_drops_whole_samples():
    torch.manual_seed(0)
    block = MBConv(4, 4, drop_path=0.5, expansion=1).train()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    x = torch.randn(64, 4, 3, 3)
    branch = block.layers(x)
    change = block(x) - x
    dropped = change.abs().amax((1, 2, 3)) < 1e-6
    assert 16 < int(dropped.sum()) < 48
    torch.testing.assert_close(change[~dropped], 2 * branch[~dropped], rtol=1e-4, atol=1e-5)


def test_norms_fold():
    check_deploy(MBConv(6, 6, expansion=3), rand(2, 6, 5, 7), MBConv)
