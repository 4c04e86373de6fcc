"""Small hosts: He et al.'s CIFAR ResNet, and networks with what makes a host difficult."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.missing = width - before
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        s = x[:, :, :: self.stride, :: self.stride]
        y += F.pad(s, (0, 0, 0, 0, 0, self.missing)) if self.missing else s
        return self.relu(y)


class ResNet20(nn.Module):
    """Option A shortcuts, names as in the circulating CIFAR checkpoints; any width and depth.

    Written out here and not taken from experiments/: exports load this file in a process of its
    own, and its rectifiers and sums work in place.
    """

    def __init__(self, num_classes: int = 10, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._layer(width, width, blocks, 1)
        self.layer2 = self._layer(width, 2 * width, blocks, 2)
        self.layer3 = self._layer(2 * width, 4 * width, blocks, 2)
        self.linear = nn.Linear(4 * width, num_classes)

    def _layer(self, before: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(before, width, stride)
        return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.linear(y.mean((2, 3)))


def tiny(num_classes: int = 10) -> ResNet20:
    """A ResNet of one block per stage, 4 to 16 channels."""
    return ResNet20(num_classes, width=4, blocks=1)


class Chain(nn.Sequential):
    """A root that is a chain: convolution, norm and activation folded together for deployment."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, bias=True), nn.BatchNorm2d(16), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, num_classes),
        )


class Awkward(nn.Module):
    """What can be no site: a tuple, a shared module, a loop, channels last, scripted, unused."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.pair = Pair()
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.alias = self.stem
        self.last = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have nobody script any more
            self.compiled = torch.jit.script(nn.ReLU())
        self.unused = nn.Conv2d(8, 8, 1)
        self.listed = nn.ModuleList([nn.Conv2d(8, 8, 1)])
        self.cropped = nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.pair(self.compiled(self.stem(x)))
        for _ in range(3):
            x = self.again(x)
        x = self.listed[0](x)
        x = self.norm(self.last(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.head(self.cropped(x).mean((2, 3)))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def settled(model: nn.Module) -> nn.Module:
    """Give norms statistics as after a training, so that equality means something; eval mode."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return model.eval()
