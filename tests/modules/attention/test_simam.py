"""SimAM against the energy function it is derived from."""

import torch

from plugnas.modules.attention.simam import SimAM


def test_exact_value():
    # values 0, 0, 0, 4: mean 1, d = 1, 1, 1, 9, v = 12 / 3 = 4
    x = torch.tensor([0.0, 0.0, 0.0, 4.0], dtype=torch.float64).reshape(1, 1, 2, 2)
    y = SimAM(1, epsilon=1e-3)(x)
    weight = torch.sigmoid(torch.tensor(9 / (4 * 4.001) + 0.5, dtype=torch.float64))
    torch.testing.assert_close(y, torch.tensor([0, 0, 0, 4 * weight.item()]).double().view_as(x))


def test_equals_the_formula_pixel_by_pixel():
    x = torch.randn(2, 3, 3, 5, dtype=torch.float64)
    y = SimAM(3)(x)
    for b in range(2):
        for c in range(3):
            plane = x[b, c]
            for i in range(3):
                for j in range(5):
                    t, mean, var = plane[i, j], plane.mean(), plane.var(unbiased=True)
                    # the least energy is 4 (v + l) / ((t - mu)^2 + 2 v + 2 l); the gate its inverse
                    energy = 4 * (var + 1e-4) / ((t - mean) ** 2 + 2 * (var + 1e-4))
                    torch.testing.assert_close(y[b, c, i, j], t * torch.sigmoid(1 / energy))


def test_one_pixel_is_finite():
    x = torch.randn(1, 2, 1, 1)
    torch.testing.assert_close(SimAM(2)(x), x * torch.tensor(0.5).sigmoid())
