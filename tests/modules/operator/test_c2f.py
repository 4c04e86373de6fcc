"""C2f, C3k2 and ELAN against their formulas."""

import torch

from plugnas.modules.operator.c2f import C2f
from tests.modules.generic import batch_norm, check_deploy, conv_same, generic, rand, same


def _layer(x, block, stride=1):
    u = batch_norm(conv_same(x, block[0].weight)[:, :, ::stride, ::stride], block[1])
    return u / (1 + torch.exp(-u))


def _pair(x, bottleneck):
    first, second = bottleneck.layers
    return _layer(_layer(x, first), second)


def _block(x, block, form):
    if form == "elan":
        return _pair(x, block)
    if form == "c2f":
        return x + _pair(x, block)
    enter, *bottlenecks = block.deep
    u = _layer(x, enter)
    for bottleneck in bottlenecks:
        u = u + _pair(u, bottleneck)
    return _layer(torch.cat([u, _layer(x, block.direct)], dim=1), block.join)


@torch.no_grad()
def test_equals_its_formula():
    for form, depth, stride, widths in (
        ("c2f", 2, 1, (6, 8)),
        ("elan", 3, 2, (4, 8)),
        ("c3k2", 1, 1, (8, 8)),
        ("c3k2", 2, 2, (4, 7)),
    ):
        m = generic(C2f(*widths, stride=stride, form=form, depth=depth))
        x = rand(1, widths[0], 4, 5)
        u = _layer(x, m.enter, stride) if stride > 1 else x
        u = _layer(u, m.split)
        half = u.shape[1] // 2
        assert half == widths[1] // 2
        parts = [u[:, :half], u[:, half:]]
        for block in m.blocks:
            parts.append(_block(parts[-1], block, form))
        assert len(parts) == 2 + depth
        same(m(x), _layer(torch.cat(parts, dim=1), m.join))


def test_norms_fold():
    check_deploy(C2f(4, 6, stride=2, form="c3k2"), rand(1, 4, 6, 7), C2f)
