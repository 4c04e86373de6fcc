"""CARAFE."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, sum_of_products, window_taps
from plugnas.modules._registry import register


def reassemble(x: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """Sum the k x k neighbourhood of each pixel with s^2 kernels, one for each pixel it becomes.

    x (B, C, H, W), zeros beyond the border, and kernels (B, k^2, s^2, H, W), taps row by row ->
    (B, C, s H, s W).
    """
    k = int(kernels.shape[1] ** 0.5)
    taps = window_taps(F.pad(x, [k // 2] * 4), k)
    maps = sum_of_products([tap[:, :, None] for tap in taps], kernels[:, :, None].unbind(1))
    return F.pixel_shuffle(maps.flatten(1, 2), scale)


@register(
    "carafe",
    slot="upsampling",
    family="content_aware",
    name="CARAFE: content-aware reassembly of features",
    year=2019,
    paper="arXiv:1905.02188",
    choices={"kernel_size": (3, 5, 7), "compressed_channels": (16, 64)},
    aliases=("CARAFE", "CARAFEPack", "ContentAwareReassembly"),
    origin="github.com/open-mmlab/mmcv, Apache-2.0",
)
class Carafe(nn.Module):
    """Makes each new pixel a weighted mean of a k x k neighbourhood, with weights from the content.

    z = 1x1(x; C -> m), then conv (k - 2) x (k - 2)(z; m -> s^2 k^2); softmax over the k^2 taps for
    each of the s^2 pixels that x[i, j] becomes: w; y[c, s i + a, s j + b] = sum_n w[n, a, b, i, j]
    x[c, (i, j) + n], zeros beyond the border. m is ``compressed_channels``. (B, C, H, W) ->
    (B, C, s H, s W). At the start w is nearly uniform.

    Args:
        channels: C, channels of the map.
        scale: s, by which both sides grow.
        kernel_size: k, side in pixels of the neighbourhood, odd.
        compressed_channels: m, channels from which the weights are made.
    """

    def __init__(
        self, channels: int, *, scale: int = 2, kernel_size: int = 5, compressed_channels: int = 64
    ) -> None:
        super().__init__()
        self.scale, self.taps = scale, kernel_size**2
        self.compress = conv2d(channels, compressed_channels, bias=True)
        encoder = conv2d(
            compressed_channels, self.taps * scale**2, max(1, kernel_size - 2), bias=True
        )
        nn.init.normal_(encoder.weight, std=0.001)
        nn.init.zeros_(encoder.bias)  # type: ignore[arg-type]
        self.encode = encoder

    def forward(self, x: Tensor) -> Tensor:
        logits = self.encode(self.compress(x)).unflatten(1, (self.taps, -1))
        return reassemble(x, logits.softmax(1), self.scale)
