"""SimAM: a parameter-free attention from an energy function."""

from __future__ import annotations

from torch import Tensor, nn

from plugnas.modules._registry import register


@register(
    "simam",
    slot="attention",
    family="parameter_free",
    name="Simple parameter-free attention module",
    year=2021,
    paper="ICML 2021",
    origin="github.com/ZjjConan/SimAM, NOASSERTION",
    choices={"epsilon": (1e-4, 1e-3)},
    aliases=("Simam_module",),
)
class SimAM(nn.Module):
    """Gates each pixel by how far it stands out from the mean of its channel, without parameters.

    d = (x - mean)^2 and v = sum(d) / (H W - 1), per sample and channel;
    y = x sigmoid(d / (4 (v + epsilon)) + 1/2): the inverse of the least energy that separates the
    pixel from its channel. (B, C, H, W) -> the same.

    Departs from circulating code (xmu-xiaoma666/External-Attention-pytorch,
    model/attention/SimAM.py): on a 1x1 map, where v is 0 / 0, v is 0.
    """

    def __init__(self, channels: int, *, epsilon: float = 1e-4) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        others = max(x.shape[2] * x.shape[3] - 1, 1)
        distance = (x - x.mean((2, 3), keepdim=True)).square()
        variance = distance.sum((2, 3), keepdim=True) / others
        return x * (distance / (4 * (variance + self.epsilon)) + 0.5).sigmoid()
