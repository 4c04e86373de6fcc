"""The placebo: its formula, its parameters, and that it looks at nothing."""

import pytest
import torch
from torch.nn import functional as F

from plugnas.modules import Site, get
from plugnas.modules.attention.placebo import Placebo


@pytest.mark.parametrize(("channels", "hidden", "inside"), [(8, 0, 0), (8, 25, 2), (6, 800, 48)])
def test_scale_and_pointwise_map(channels, hidden, inside):
    m = Placebo(channels, hidden=hidden).double()
    with torch.no_grad():
        m.scale.copy_(torch.randn(channels))
    assert sum(p.numel() for p in m.parameters()) == channels + 2 * channels * inside
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64)
    y = x
    if inside:
        rows = x.permute(0, 2, 3, 1)
        inner = F.relu(rows @ m.reduce.weight[:, :, 0, 0].T) @ m.expand.weight[:, :, 0, 0].T
        y = x + inner.permute(0, 3, 1, 2)
    torch.testing.assert_close(m(x), y * m.scale.reshape(1, channels, 1, 1))


def test_a_position_answers_to_itself_alone():
    m, x = Placebo(4, hidden=100), torch.randn(1, 4, 3, 3)
    changed = x.clone()
    changed[..., 1, 1] += 1
    same = m(changed) == m(x)
    assert not same[..., 1, 1].any()
    same[..., 1, 1] = True
    assert same.all()


def test_settings_of_one_width_are_one():
    placebo = get("placebo")
    canonical = [placebo.canonical(Site(16, 8, 8), {"hidden": n})["hidden"] for n in (0, 3, 4, 6)]
    assert canonical == [0, 0, 4, 4]
