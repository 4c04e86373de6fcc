"""Flattening: exact order and values."""

import torch

from plugnas.modules.pooling.flatten import FlattenedGrid


def test_plain_is_torchs():
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    pool = FlattenedGrid(3, grid=None)
    assert torch.equal(pool(x), torch.nn.Flatten()(x))
    assert pool.out_features is None


def test_grid():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    x = torch.cat([x, -x], 1)
    corners = [2.5, 4.5, 10.5, 12.5]
    assert FlattenedGrid(2)(x).tolist() == [[*corners, *(-c for c in corners)]]
    assert FlattenedGrid(2, grid=1)(x).tolist() == [[7.5, -7.5]]
    assert torch.equal(FlattenedGrid(2, grid=4)(x), x.flatten(1))
    assert FlattenedGrid(2, grid=4).out_features == 32
