"""Real Fourier transforms of maps; half precision and empty batches work too."""

from __future__ import annotations

import torch
from torch import Tensor


def spectrum(x: Tensor, dims: tuple[int, int] = (2, 3)) -> Tensor:
    """Orthonormal real FFT over two axes, (H, W) -> (H, W // 2 + 1), complex.

    Computed in single precision at least: half precision has no transform on most devices. An
    empty batch, which oneMKL refuses, gives an empty spectrum.
    """
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    if x.shape[0] == 0:
        return exact.narrow(dims[1], 0, x.shape[dims[1]] // 2 + 1).to(exact.dtype.to_complex())
    return torch.fft.rfft2(exact, dim=dims, norm="ortho")


def from_spectrum(x: Tensor, size: tuple[int, int], dims: tuple[int, int] = (2, 3)) -> Tensor:
    """The map of ``size`` whose ``spectrum`` is x: the inverse of the function above."""
    if x.shape[0] == 0:
        return torch.cat([x.real, x.imag], dims[1]).narrow(dims[1], 0, size[1])
    return torch.fft.irfft2(x, s=size, dim=dims, norm="ortho")
