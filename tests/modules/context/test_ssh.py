"""The SSH context module against its formula, and its receptive field."""

import pytest
import torch

from plugnas import modules
from plugnas.modules.context.ssh import SSHContext
from tests.modules.generic import conv_bn, generic, rand


def _block(x, block):
    return conv_bn(x, block).clamp(min=0)


def test_equals_the_formula():
    for channels, near, far in ((6, 3, 3), (5, 3, 2)):
        ours = generic(SSHContext(channels))
        x = rand(2, channels, 4, 5)
        t = _block(x, ours.stem)
        a, b = _block(t, ours.near), _block(_block(t, ours.far[0]), ours.far[1])
        assert (a.shape[1], b.shape[1]) == (near, far)
        torch.testing.assert_close(ours(x), torch.cat([a, b], 1))
        torch.testing.assert_close(modules.fuse(ours)(x), ours(x), rtol=1e-9, atol=1e-9)


def test_one_channel_is_refused():
    assert "at least 2" in modules.get("ssh").refusal(modules.Site(1, 4, 4))
    with pytest.raises(modules.RefusedError):
        SSHContext(1)
