"""Global filter of GFNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plugnas.modules._registry import register
from plugnas.modules._spectrum import from_spectrum, spectrum
from plugnas.modules.errors import RefusedError


@register(
    "global_filter",
    slot="mixer",
    family="frequency",
    name="Global filter layer (GFNet)",
    year=2021,
    paper="arXiv:2107.00645",
    choices={"grid": (8, 14)},
    aliases=("GlobalFilter", "GFNet"),
    origin="github.com/raoyongming/GFNet, MIT",
)
class GlobalFilter(nn.Module):
    """Multiplies the spectrum of each channel by a learned filter: a convolution over the map.

    y = inverse FFT of (K * FFT of x), orthonormal real FFTs over (H, W), K complex and one per
    channel. Tokens (B, H W, C) with ``size=(H, W)`` -> the same. Half precision is transformed
    in single.

    K is learned on a ``grid`` x ``grid`` map (grid x (grid / 2 + 1) frequencies, an even grid) and
    read at the frequencies u / H, v / W of any other by linear interpolation, in which the last
    row is next to the first: frequencies repeat. Departs from the authors' code, which has one K
    per map size and resizes it as a picture.

    Raises:
        RefusedError: ``grid`` is odd or below 2.
    """

    def __init__(self, channels: int, *, grid: int = 14) -> None:
        super().__init__()
        if grid < 2 or grid % 2:
            raise RefusedError(f"`grid` must be even and positive, but got {grid}")
        self.grid = grid
        self.weight = nn.Parameter(0.02 * torch.randn(grid, grid // 2 + 1, channels, 2))

    def forward(self, x: Tensor, *, size: tuple[int, int]) -> Tensor:
        waves = spectrum(x.unflatten(1, size), dims=(1, 2))
        kernel = self._kernel(size)
        exact = kernel.to(torch.promote_types(kernel.dtype, torch.float32))
        y = from_spectrum(waves * torch.view_as_complex(exact), size, dims=(1, 2))
        return y.flatten(1, 2).to(x.dtype)

    def _kernel(self, size: tuple[int, int]) -> Tensor:
        """The filter at the frequencies of a map: (H, W // 2 + 1, C, 2)."""
        kernel: Tensor = self.weight
        height, width = size
        if height != self.grid:
            kernel = self._read(kernel, 0, height, height)
        if width != self.grid:
            kernel = self._read(kernel, 1, width // 2 + 1, width)
        return kernel.contiguous()

    def _read(self, kernel: Tensor, axis: int, count: int, period: int) -> Tensor:
        """Interpolate at the frequencies i / period, i < count, of one axis."""
        steps = torch.arange(count, device=kernel.device) * self.grid
        lower = steps // period
        share = (steps % period).to(kernel.dtype) / period
        upper = (lower + 1) % self.grid if axis == 0 else (lower + 1).clamp_max(self.grid // 2)
        share = share.reshape(-1, *[1] * (kernel.dim() - axis - 1))
        return torch.lerp(kernel.index_select(axis, lower), kernel.index_select(axis, upper), share)
