"""Non-local blocks: every position against every other, with four pairwise functions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import BatchNorm2d, conv2d, hidden_width, one_of
from plugnas.modules._registry import register

_MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")


@register(
    "non_local",
    slot="attention",
    family="self_attention",
    name="Non-local block",
    year=2017,
    paper="arXiv:1711.07971",
    origin="github.com/facebookresearch/video-nonlocal-net, CC-BY-NC-4.0",
    choices={
        "mode": _MODES,
        "subsample": (False, True),
        "norm": (True, False),
    },
    aliases=(
        "NONLocalBlock2D",
        "NonLocalBlock",
    ),
)
class NonLocal(nn.Module):
    """Adds to each position a mean of all positions, weighted by a pairwise function.

    y_i = (1 / S_i) sum_j f(x_i, x_j) g(x_j); z = x + W y. g, theta, phi: 1x1 maps to C // 2.
    gaussian: f = exp(x_i . x_j); embedded_gaussian: f = exp(theta_i . phi_j); S_i = sum of f.
    dot_product: f = theta_i . phi_j; concatenation: f = relu(w1 . theta_i + w2 . phi_j); S_i = the
    number of positions j. ``subsample``: 2x2 max pooling of the positions j where both sides are at
    least 2. W is a 1x1 convolution followed, with ``norm``, by batch norm; the last of them starts
    at 0, the block as identity. (B, C, H, W) -> the same.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    AttentionModule/Non-local/lib): the dot product is contracted over j first, the concatenation
    adds two maps, so neither needs more than its result; biases that a softmax or the batch norm
    cancels do not exist (those of phi and g in the two gaussian modes, of W before the norm).

    Args:
        channels: C, channels of the map.
        mode: ``gaussian``, ``embedded_gaussian``, ``dot_product`` or ``concatenation``: f.
        subsample: whether the positions j are pooled by 2x2 maxima.
        norm: whether a batch norm follows W.
    """

    def __init__(
        self,
        channels: int,
        *,
        mode: str = "embedded_gaussian",
        subsample: bool = False,
        norm: bool = True,
    ) -> None:
        super().__init__()
        width = hidden_width(channels, 2)
        soft = mode in ("gaussian", "embedded_gaussian")
        self.mode, self.subsample = one_of("mode", mode, _MODES), subsample
        self.value = conv2d(channels, width, bias=not soft)
        if mode != "gaussian":
            self.theta = conv2d(channels, width, bias=True)
            self.phi = conv2d(channels, width, bias=not soft)
        if mode == "concatenation":
            self.pair_theta = conv2d(width, 1)
            self.pair_phi = conv2d(width, 1)
        out: list[nn.Module] = [conv2d(width, channels, bias=not norm)]
        if norm:
            out.append(BatchNorm2d(channels))
        for parameter in out[-1].parameters():
            nn.init.zeros_(parameter)
        self.out = nn.Sequential(*out)

    def forward(self, x: Tensor) -> Tensor:
        values = self._tokens(self._pool(self.value(x)))  # (B, M, C')
        if self.mode == "gaussian":
            y = _gaussian(self._tokens(x), self._tokens(self._pool(x)), values)
        else:
            theta, phi = self.theta(x), self._pool(self.phi(x))
            if self.mode == "embedded_gaussian":
                y = _gaussian(self._tokens(theta), self._tokens(phi), values)
            elif self.mode == "dot_product":
                gathered = phi.flatten(2) @ values / values.shape[1]  # (B, C', C')
                y = self._tokens(theta) @ gathered
            else:
                rows = self._tokens(self.pair_theta(theta))  # (B, N, 1)
                pairs = F.relu(rows + self.pair_phi(phi).flatten(2))  # (B, N, M)
                y = pairs @ values / values.shape[1]
        return x + self.out(y.transpose(1, 2).unflatten(2, x.shape[2:]))

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2) if self.subsample and min(x.shape[2:]) >= 2 else x

    @staticmethod
    def _tokens(x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


def _gaussian(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    q, k, v = (t.unsqueeze(1) for t in (queries, keys, values))  # one head
    return F.scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1)
