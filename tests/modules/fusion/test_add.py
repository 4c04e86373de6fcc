"""Addition: exact values, and a coarser second map."""

import torch

from plugnas.modules.fusion.add import Add


def test_sum():
    x, y = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    assert torch.equal(Add(3)(x, y), x + y)


def test_coarser_map():
    y = torch.tensor([[[[0.0, 4.0]]]])  # bilinear, pixel centres at halves
    x = torch.ones(1, 1, 2, 4)
    assert Add(1)(x, y).tolist() == [[[[1.0, 2.0, 4.0, 5.0], [1.0, 2.0, 4.0, 5.0]]]]


def test_any_number_of_maps():
    x, y, z = torch.randn(3, 2, 4, 5, 6).unbind(0)
    torch.testing.assert_close(Add(4)(x, y, z), x + y + z)
