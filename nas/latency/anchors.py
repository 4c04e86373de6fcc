"""The anchors: fixed small networks, measured in every round, against which drift is read."""

from __future__ import annotations

from torch import nn

NAMES = ("dense-1", "depthwise-1", "light-1")
SHAPE = (16, 16, 16)  # (C, H, W) of what enters an anchor


def anchors() -> dict[str, nn.Module]:
    """Return the anchors by their NAMES: dense, depthwise and memory-bound work, 0.1 to 1 ms each.

    They are part of what a latency table means: change one and it gets another name.
    """
    dense = nn.Sequential(
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()
    )
    depthwise = nn.Sequential(
        nn.Conv2d(16, 64, 1), nn.Hardswish(), nn.Conv2d(64, 64, 5, padding=2, groups=64),
        nn.Hardswish(), nn.Conv2d(64, 16, 1),
    )  # fmt: skip
    light = nn.Sequential(
        nn.AvgPool2d(3, 1, 1), nn.Sigmoid(), nn.BatchNorm2d(16), nn.GELU(), nn.Softmax(1)
    )
    return dict(zip(NAMES, (dense, depthwise, light), strict=True))
