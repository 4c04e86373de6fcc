"""Reading a map between its pixels: what deformable operators share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def coordinates(offsets: Tensor) -> Tensor:
    """Offsets in at least single precision: bfloat16 cannot tell pixel 300 from 301."""
    return offsets.to(torch.promote_types(offsets.dtype, torch.float32))


def centres(offsets: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Rows (H', 1) and columns (W') of the input on which the outputs of a stride stand."""
    height, width = offsets.shape[-2:]
    rows = stride * torch.arange(height, dtype=offsets.dtype, device=offsets.device)
    columns = stride * torch.arange(width, dtype=offsets.dtype, device=offsets.device)
    return rows[:, None], columns


def deformed_taps(
    offsets: Tensor, kernel_size: int, *, stride: int, spacing: float
) -> tuple[Tensor, Tensor]:
    """Rows and columns (B, k^2, H', W') of the taps of a k x k kernel, moved by offsets.

    Args:
        offsets: (B, k^2, 2, H', W') in pixels, (row, column), taps row by row.
        kernel_size: k, taps per side.
        stride: s, pixels of the input from one output to the next.
        spacing: pixels from one tap to the next before they move.
    """
    offsets = coordinates(offsets)
    line = torch.arange(kernel_size, dtype=offsets.dtype, device=offsets.device)
    line = spacing * (line - kernel_size // 2)
    tap_rows = line.repeat_interleave(kernel_size)[:, None, None]
    tap_columns = line.repeat(kernel_size)[:, None, None]
    rows, columns = centres(offsets, stride)
    return rows + tap_rows + offsets[:, :, 0], columns + tap_columns + offsets[:, :, 1]


def sample(x: Tensor, rows: Tensor, columns: Tensor, *, padding: str = "zeros") -> Tensor:
    """Read x bilinearly at pixel coordinates; outside the map: ``zeros``, or its ``border``.

    Args:
        x: the map (B, C, H, W).
        rows: row of each point in pixels, (B, K, H', W').
        columns: column of each point in pixels, (B, K, H', W').
        padding: ``zeros`` or ``border``: what lies outside the map.

    Returns:
        (B, C, K, H', W').
    """
    height, width = x.shape[-2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    y = F.grid_sample(
        x.to(grid.dtype), grid.flatten(1, 2), padding_mode=padding, align_corners=False
    )
    return y.to(x.dtype).unflatten(2, (rows.shape[1], -1))
