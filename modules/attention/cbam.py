"""Convolutional block attention module."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import channel_mean_max, conv2d, hidden_width
from plugnas.modules._registry import register
from plugnas.modules._same import bottleneck


@register(
    "cbam",
    slot="attention",
    family="channel_spatial",
    name="Convolutional block attention module",
    year=2018,
    paper="arXiv:1807.06521",
    origin="github.com/Jongchan/attention-module, MIT",
    choices={"reduction": (4, 8, 16), "kernel_size": (3, 7)},
    same={"reduction": bottleneck()},
    aliases=("CBAMBlock",),
)
class CBAM(nn.Module):
    """Gates channels by an MLP of global mean and maximum, then pixels by a convolution.

    M_c = sigmoid(f(mean of x) + f(max of x)) with one MLP f: C -> C / reduction -> C for both;
    x' = M_c x; M_s = sigmoid(k x k convolution of [mean, max over the channels of x']); y = M_s x'.
    (B, C, H, W) -> the same. No layer has a bias; there is no residual inside the module.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/CBAM.py): the hidden width never falls to 0. Departs from the authors' code
    (MODELS/cbam.py): no batch norm after the spatial convolution, as in the paper's formula.
    """

    def __init__(self, channels: int, *, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)
        self.spatial = conv2d(2, 1, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        x = x * self._channel_gate(x)
        return x * self.spatial(channel_mean_max(x)).sigmoid()

    def _channel_gate(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # each (B, C, 1, 1)
        from_mean, from_max = (self.excite(F.relu(self.squeeze(z))) for z in pooled)
        return (from_mean + from_max).sigmoid()
