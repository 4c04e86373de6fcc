"""BorderAlign."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plugnas.modules._registry import register
from plugnas.modules.operator._sampling import coordinates


@register(
    "border_align",
    slot="region",
    family="region",
    name="BorderAlign",
    year=2020,
    paper="arXiv:2007.11056",
    choices={"pool_size": (5, 10)},
    aliases=("BorderDet",),
    origin="github.com/Megvii-BaseDetection/BorderDet, Apache-2.0",
)
class BorderAlign(nn.Module):
    """Takes the strongest feature along each of the four borders of a box.

    The channels are four blocks of C, for the top, left, bottom and right border. On each border of
    each box (x1, y1, x2, y2, in pixels of the feature, centres at integers) pool_size + 1 points
    are spread evenly from corner to corner, the border's block is sampled there bilinearly, and the
    maximum over the points is kept. Points beyond -1 or the size give 0, others are moved to the
    edge. feature (B, 4C, H, W), boxes (B, K, 4) -> (B, C, K, 4). No gradient reaches the boxes.

    Departs from circulating code (pprp/awesome-attention-mechanism-in-cv,
    Plug-and-Play-Module/BorderAlignmentModule.py), a compiled CUDA extension: any device and dtype;
    coordinates have at least single precision, since half of it cannot tell neighbouring pixels of
    a large map.
    """

    def __init__(self, channels: int, *, pool_size: int = 10) -> None:
        super().__init__()
        self.channels = channels
        self.pool_size = pool_size

    def forward(self, feature: Tensor, boxes: Tensor) -> Tensor:
        height, width = feature.shape[-2:]
        points = self._points(coordinates(boxes.detach())).flatten(0, 1)  # (4 B, K, P + 1, 2): x, y
        size = torch.stack([points.new_full((), n) for n in (width, height)])
        inside = ((points >= -1) & (points <= size)).all(-1)
        blocks = feature.unflatten(1, (4, self.channels)).flatten(0, 1)
        grid = (2 * points + 1) / size - 1
        values = F.grid_sample(
            blocks.to(grid.dtype), grid, padding_mode="border", align_corners=False
        )  # (4 B, C, K, P + 1)
        values = torch.where(inside.unsqueeze(1), values, torch.zeros_like(values))
        strongest = values.max(-1).values.to(feature.dtype)
        return strongest.unflatten(0, (-1, 4)).permute(0, 2, 3, 1)

    def _points(self, boxes: Tensor) -> Tensor:
        """Points on the top, left, bottom and right border: (B, K, 4) -> (B, 4, K, P + 1, 2)."""
        x1, y1, x2, y2 = boxes.unsqueeze(-1).unbind(2)  # each (B, K, 1)
        steps = torch.arange(self.pool_size + 1, device=boxes.device, dtype=boxes.dtype)
        along = steps / self.pool_size
        dx, dy = (x2 - x1) * along, (y2 - y1) * along
        still = torch.zeros_like(dx)
        xs = torch.stack([x1 + dx, x1 + still, x2 - dx, x2 + still], dim=1)
        ys = torch.stack([y1 + still, y1 + dy, y2 + still, y2 - dy], dim=1)
        return torch.stack([xs, ys], dim=-1)
