"""Channel prior convolutional attention."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import conv2d, first_alike, hidden_width
from plugnas.modules._registry import Setting, register
from plugnas.modules._slots import Site
from plugnas.modules.attention.msca import strip_pair

_REDUCTIONS = (4, 8, 16)


def _same(site: Site, setting: Setting) -> Setting:
    reduction = first_alike(
        _REDUCTIONS, setting["reduction"], lambda r: hidden_width(site.channels, r)
    )
    return {"reduction": reduction}


@register(
    "cpca",
    slot="attention",
    family="channel_spatial",
    name="Channel prior convolutional attention",
    year=2023,
    paper="arXiv:2306.05196",
    choices={"reduction": _REDUCTIONS},
    aliases=("CPCA", "CPCANet", "ChannelPriorAttention"),
    origin="github.com/Cuthbert-Huang/CPCANet, Apache-2.0",
    same=_same,
)
class ChannelPriorConvolutionalAttention(nn.Module):
    """Gates channels by an MLP of global mean and maximum, then multiplies by multi-scale strips.

    M = sigmoid(f(mean of x) + f(max of x)) with one MLP f: C -> C / reduction -> C for both;
    z = M x; u = depthwise 5x5 of z; y = z * conv1x1(u + sum_k C_k(R_k(u))), where R_k and C_k are
    depthwise 1 x k and k x 1, k = 7, 11, 21. Every layer has a bias. (B, C, H, W) -> the same, a
    spatial weight of its own for each channel.

    This is the paper's formula. Its authors' code (Cuthbert-Huang/CPCANet,
    CPCANet/nnunet/network_architecture/CPCANet.py, ``RepBlock``) has the same layers and departs
    from it: it adds the sigmoids of mean and maximum, so that M reaches 2, and the last 1x1
    convolution, the same weights, stands twice more: before all, with a GELU, and after all.
    """

    def __init__(
        self, channels: int, *, reduction: int = 4, strips: tuple[int, ...] = (7, 11, 21)
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)
        self.near = conv2d(channels, channels, 5, groups=channels, bias=True)
        self.strips = nn.ModuleList(strip_pair(channels, length) for length in strips)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = x * self._channel_gate(x)
        near = self.near(z)
        total = near
        for strip in self.strips:
            total = total + strip(near)
        return z * self.mix(total)

    def _channel_gate(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # each (B, C, 1, 1)
        from_mean, from_max = (self.excite(F.relu(self.squeeze(z))) for z in pooled)
        return (from_mean + from_max).sigmoid()
