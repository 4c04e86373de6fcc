"""Real Fourier transforms of maps by their sums, for references that do without an FFT."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _wave(points: int, frequencies: int, sign: int) -> Tensor:
    """(frequencies, points): exp(sign 2 pi i f n / points) / sqrt(points)."""
    turns = torch.outer(torch.arange(frequencies), torch.arange(points)).double() / points
    return torch.exp(sign * 2j * math.pi * turns) / points**0.5


def forward(x: Tensor) -> Tensor:
    """Orthonormal spectrum of (..., H, W): (..., H, W // 2 + 1), complex."""
    height, width = x.shape[-2:]
    rows, columns = _wave(height, height, -1), _wave(width, width // 2 + 1, -1)
    return torch.einsum("...hw,uh,vw->...uv", x.to(rows.dtype), rows, columns)


def inverse(spectrum: Tensor, width: int) -> Tensor:
    """The real map (..., H, W) of a half spectrum.

    Columns stand for themselves and their mirror images, whose sum is twice the real part; the
    columns that are their own mirror images count once.
    """
    height, count = spectrum.shape[-2:]
    rows, columns = _wave(height, height, 1), _wave(width, count, 1)
    lines = torch.einsum("...uv,uh->...hv", spectrum, rows)
    weight = torch.full((count,), 2.0, dtype=torch.float64)
    weight[0] = 1.0
    if width % 2 == 0:
        weight[-1] = 1.0
    return torch.einsum("...hv,vw,v->...hw", lines, columns, weight.to(lines.dtype)).real
