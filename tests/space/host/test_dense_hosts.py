"""Hosts that answer for each pixel: torchvision's and a U-Net of one's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plugnas.nas.job.workers import _check_output
from plugnas.nas.proxy.cut import cut
from plugnas.nas.tasks import create
from plugnas.nas.tasks.outputs import answer_of
from plugnas.space import ConfigError
from plugnas.space.host import HostSource, plug
from plugnas.space.host.host import Host
from plugnas.space.host.own import fresh_modules

TASK = create("segmentation")
IMAGE = (3, 33, 40)


class UNet(nn.Module):
    """Two sizes, joined by concatenation."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.enc1, self.enc2 = _block(3, 8), _block(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec = _block(16, 8)
        self.out = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        first = self.enc1(x)
        deep = self.up(self.enc2(F.max_pool2d(first, 2)))
        deep = F.interpolate(deep, size=first.shape[-2:])
        return self.out(self.dec(torch.cat([first, deep], 1)))


def _block(before, after):
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("lraspp_mobilenet_v3_large", {}),
        ("deeplabv3_mobilenet_v3_large", {"aux_loss": True}),
        ("fcn_resnet50", {"aux_loss": True}),
    ],
)
def test_torchvision_s_networks_get_the_task_s_classes(model, arguments):
    source = HostSource(f"torchvision.models.segmentation:{model}", arguments)
    host = Host.load(source, IMAGE, 4)
    assert host.refits and host.trace.outputs == 21
    assert host.trace.output_text.startswith("a dict (out")
    _check_output(host.trace, TASK, 4)
    with torch.device("meta"):
        network = host.network().train()
        outputs = network(torch.zeros(2, *IMAGE))
    assert {tuple(value.shape) for value in outputs.values()} == {(2, 4, *IMAGE[1:])}
    assert set(outputs) == ({"out", "aux"} if arguments else {"out"})


def test_a_frozen_network_for_pixels_is_cut_where_it_begins_to_learn():
    """The size of the images, which such networks read, is a number that all batches share."""
    torch.manual_seed(0)
    source = HostSource("torchvision.models.segmentation:lraspp_mobilenet_v3_large")
    lraspp = Host.load(source, IMAGE, 4).network().eval()
    for network, path in ((lraspp, "backbone.12"), (UNet().eval(), "enc2")):
        plugged = plug(network, {path: "se"}, input_shape=IMAGE).eval()
        images = torch.randn(3, *IMAGE)
        halves = cut(plugged, list(fresh_modules(plugged)), images)
        assert halves is not None
        more = torch.randn(5, *IMAGE)
        joined = halves.after(*halves.before(more))
        torch.testing.assert_close(answer_of(joined), answer_of(plugged(more)))


def test_an_answer_that_is_none_for_pixels_is_refused():
    source = HostSource("torchvision.models:resnet18", {"num_classes": 4})
    trace = Host.load(source, (3, 32, 32), 4).trace
    with pytest.raises(ConfigError, match="a map of 4 outputs for each pixel, or a dict with it"):
        _check_output(trace, TASK, 4)
    _check_output(trace, create("classification"), 4)
