"""Pyramidal attention of Pyraformer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._parts import hidden_width
from plugnas.modules._registry import register


def pyramid_mask(
    length: int, windows: tuple[int, ...], inner_size: int, *, real: int, like: Tensor
) -> Tensor:
    """Which node of the pyramid sees which: (M, M), True where the row sees the column.

    Nodes are numbered scale by scale, the finest first; scale l + 1 has floor(n_l / w_l) nodes, the
    last of which takes all remaining children. A node sees those of its scale at most
    inner_size // 2 away, its children and its parent. Nodes that begin at or beyond step ``real``
    (padding) see only themselves, and no other node sees them.

    Args:
        length: steps of the finest scale, n_0.
        windows: w_l, children of a node at each coarser scale.
        inner_size: nodes of its own scale that a node sees, itself among them; odd.
        real: the first step that is padding.
        like: a tensor on the device where the mask is wanted.
    """
    scales, positions, parents, exists = [], [], [], []
    count, offset, stride = length, 0, 1
    for level in range(len(windows) + 1):
        position = torch.arange(count, device=like.device)
        scales.append(torch.full_like(position, level))
        positions.append(position)
        exists.append(position * stride < real)
        offset += count
        if level == len(windows):
            parents.append(torch.full_like(position, -1))
            break
        count //= windows[level]
        stride *= windows[level]
        parents.append(offset + (position // windows[level]).clamp(max=count - 1))
    scale, position, parent, there = map(torch.cat, (scales, positions, parents, exists))
    node = torch.arange(scale.shape[0], device=like.device)
    near = (position[:, None] - position).abs() <= inner_size // 2
    near = near & (scale[:, None] == scale)
    kin = parent[:, None] == node
    return ((near | kin | kin.T) & there[:, None] & there) | (node[:, None] == node)


class CoarserScales(nn.Module):
    """Pyraformer's coarser-scale construction module (CSCM): a sequence and coarser views of it.

    s_0 = x, s_(l+1) = relu(conv(s_l)) with kernel and stride w_l, joined, finest first: (B, C, T)
    -> nodes (B, M, C). A T below the product of the windows is padded with zeros.
    """

    def __init__(self, channels: int, *, windows: tuple[int, ...] = (2, 2, 2)) -> None:
        super().__init__()
        self.windows = windows
        self.coarsen = nn.ModuleList(nn.Conv1d(channels, channels, w, stride=w) for w in windows)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[2]
        scales = [F.pad(x, (0, padded_length(steps, self.windows) - steps))]
        for conv in self.coarsen:
            scales.append(F.relu(conv(scales[-1])))
        return torch.cat(scales, dim=2).transpose(1, 2)


def padded_length(steps: int, windows: tuple[int, ...]) -> int:
    """Return the length of the finest scale: at least one node is left on the coarsest."""
    return max(steps, math.prod(windows))


class PyramidAttentionModule(nn.Module):
    """Pyraformer's pyramidal attention module (PAM): multi-head attention among related nodes.

    nodes (B, M, C) of a pyramid over ``steps`` steps, as ``CoarserScales`` gives them -> (B, M, C);
    a node sees those that ``pyramid_mask`` allows. Softmax of q k^T / sqrt(d), all maps with bias.

    Args:
        channels: C, features of a node.
        windows: w_l, children of a node at each coarser scale.
        inner_size: nodes of its own scale that a node sees, itself among them; odd.
        heads: attention heads, any number.
        head_channels: d, features of a head; None: C // heads, at least 1.
    """

    def __init__(
        self,
        channels: int,
        *,
        windows: tuple[int, ...] = (2, 2, 2),
        inner_size: int = 3,
        heads: int = 8,
        head_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.windows, self.inner_size, self.heads = windows, inner_size, heads
        width = heads * (head_channels or hidden_width(channels, heads))
        self.query = nn.Linear(channels, width)
        self.key = nn.Linear(channels, width)
        self.value = nn.Linear(channels, width)
        self.project = nn.Linear(width, channels)

    def forward(self, nodes: Tensor, *, steps: int) -> Tensor:
        return self.attend(nodes, self.mask(steps, nodes))

    def mask(self, steps: int, like: Tensor) -> Tensor:
        """Return which node sees which, (M, M), on the device of ``like``."""
        length = padded_length(steps, self.windows)
        return pyramid_mask(length, self.windows, self.inner_size, real=steps, like=like)

    def attend(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """Attend where the mask (M, M) allows: (B, M, C) -> the same."""
        q, k, v = (
            layer(nodes).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.project(y.transpose(1, 2).flatten(2))


@register(
    "pyraformer",
    slot="sequence",
    family="multi_scale",
    name="Pyraformer pyramidal attention",
    year=2022,
    paper="ICLR 2022",
    choices={
        "windows": ((2, 2), (2, 2, 2), (4, 4)),
        "inner_size": (3, 5),
        "heads": (4, 8),
    },
    aliases=(
        "Conv_Construct",
        "PyramidalAttention",
    ),
    origin="github.com/ant-research/Pyraformer, Apache-2.0",
)
class PyramidalAttention(nn.Module):
    """Lets each step see its neighbours, and far ones through a pyramid of coarser steps.

    Coarser scales: s_(l+1) = relu(conv(s_l)), kernel and stride w_l (``CoarserScales``, the CSCM).
    All scales are joined and layer-normalised, n = LN([s_0, s_1, ...]); multi-head attention A
    (``PyramidAttentionModule``, the PAM) runs where ``pyramid_mask`` allows: neighbours, children,
    parent. Between two attentions n = LN(n + A_i(n)); the finest scale of the last one is the
    result: (B, C, T) -> the same, without residual. A value of scale l needs l attentions to reach
    the finest, so there are as many as windows (``depth=None``).

    What a node sees is the paper's neighbourhood. A T below the product of the windows is padded,
    and what consists of padding is masked. Heads have max(1, C // heads) channels by default. No
    feed-forward part.

    Args:
        channels: C, features of a step.
        windows: w_l, children of a node at each coarser scale.
        inner_size: nodes of its own scale that a node sees, itself among them; odd.
        heads: attention heads, any number.
        head_channels: d, features of a head; None: C // heads, at least 1.
        depth: attentions one after the other; None: as many as windows.
    """

    def __init__(
        self,
        channels: int,
        *,
        windows: tuple[int, ...] = (2, 2, 2),
        inner_size: int = 3,
        heads: int = 8,
        head_channels: int | None = None,
        depth: int | None = None,
    ) -> None:
        super().__init__()
        depth = len(windows) if depth is None else depth
        self.scales = CoarserScales(channels, windows=windows)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(depth))
        self.attentions = nn.ModuleList(
            PyramidAttentionModule(
                channels, windows=windows, inner_size=inner_size, heads=heads,
                head_channels=head_channels,
            )
            for _ in range(depth)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[2]
        nodes = self.scales(x)
        attended = torch.zeros_like(nodes)
        mask: Tensor | None = None
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            mask = attention.mask(steps, x) if mask is None else mask  # type: ignore[operator]
            nodes = norm(nodes + attended)
            attended = attention.attend(nodes, mask)  # type: ignore[operator]
        return attended[:, :steps].transpose(1, 2)
