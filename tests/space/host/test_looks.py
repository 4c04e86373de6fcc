"""Where plugs look: |g (m(x) - x)| averaged over channels, for plugs that follow a site."""

from __future__ import annotations

import torch

from plugnas.space.host import plug
from plugnas.space.host.looks import looks


def test_maps_are_the_change_a_plug_makes(networks):
    torch.manual_seed(0)
    plugs = {"layer2": "cbam", "layer3.0.relu": "silu"}
    model = plug(networks.tiny(5).eval(), plugs, input_shape=(3, 16, 16))
    images = torch.randn(2, 3, 16, 16)
    (before,) = looks(model, images).values()
    assert before.shape == (2, 8, 8) and not before.any()  # its gate is 0
    added = model.plugs["layer2-attention"]
    seen = []
    added.module.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        added.gate.copy_(torch.linspace(-1, 1, 8).reshape(8, 1, 1))
    found = looks(model, images)
    (x, y), gate = seen[-1], added.gate
    assert list(found) == ["layer2-attention"]  # an activation stands beside, and changes no map
    torch.testing.assert_close(
        found["layer2-attention"], (gate * (y - x)).abs().mean(1), atol=1e-6, rtol=1e-5
    )
    assert not model.training and not added._forward_hooks
