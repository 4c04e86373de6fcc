"""Pairs of a module of the zoo and the same mechanism of timm, torchvision or torch.

Where the rival's class holds more than ours (a norm that ours leaves to the host, the block around
a mechanism), ours is completed by the same layers, so that both do the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import timm.layers as tl
import torch
from timm.layers.cbam import CbamModule
from timm.layers.coord_attn import CoordAttn, EfficientLocalAttn
from timm.layers.halo_attn import HaloAttn
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, UniversalInvertedResidual
from timm.models.byobnet import MobileOneBlock, RepVggBlock
from timm.models.convnext import ConvNeXtBlock
from timm.models.efficientvit_msra import LocalWindowAttention
from timm.models.fasternet import MLPBlock, Partial_conv3
from timm.models.fastvit import ReparamLargeKernelConv
from timm.models.focalnet import FocalModulation
from timm.models.ghostnet import GhostModule, GhostModuleV2
from timm.models.hgnet import HighPerfGpuBlock
from timm.models.hrnet import HighResolutionModule as TimmHighResolutionModule
from timm.models.inception_next import MetaNeXtBlock
from timm.models.mambaout import GatedConvBlock
from timm.models.res2net import Bottle2neck
from timm.models.resnet import BasicBlock
from timm.models.starnet import Block as StarBlock
from timm.models.swiftformer import EfficientAdditiveAttention
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv, MBConvConfig
from torchvision.models.googlenet import Inception
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.shufflenetv2 import channel_shuffle
from torchvision.ops import Conv2dNormActivation, deform_conv2d

from plugnas import modules
from plugnas.modules.stage.hrnet import HighResolutionModule


@dataclass
class Pair:
    """Ours and theirs; ``tokens``: the input is (B, N, C) in place of a map."""

    ours: nn.Module
    theirs: nn.Module
    tokens: bool = False
    keywords: dict = field(default_factory=dict)


def _zoo(key: str, *args: int, **settings: object) -> nn.Module:
    return modules.get(key).cls(*args, **settings)


class _RoutedCondConv(nn.Module):
    """timm's CondConv2d with the routing that its networks put before it."""

    def __init__(self, channels: int, experts: int) -> None:
        super().__init__()
        self.routing = nn.Linear(channels, experts)
        self.conv = tl.CondConv2d(channels, channels, 3, padding=1, num_experts=experts)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x, torch.sigmoid(self.routing(x.mean((2, 3)))))


class _DeformConv(nn.Module):
    """torchvision's operator with the two convolutions that feed it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.offset = nn.Conv2d(channels, 18, 3, padding=1)
        self.mask = nn.Conv2d(channels, 9, 3, padding=1)
        self.weight = nn.Parameter(0.05 * torch.randn(channels, channels, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask(x).sigmoid()
        return deform_conv2d(x, self.offset(x), self.weight, padding=1, mask=mask)


class _ShuffledConv(nn.Module):
    """A grouped convolution, then torchvision's shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return channel_shuffle(self.conv(x), 4)


class _Res2NetBlock(nn.Module):
    """The residual block that timm's class is, around our hierarchy."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = Conv2dNormActivation(channels, 4 * width, 1)
        self.parts = _zoo("res2net", 4 * width, 4 * width)
        self.leave = Conv2dNormActivation(4 * width, channels, 1, activation_layer=None)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.leave(self.parts(self.enter(x)))).relu_()


class _Branches(nn.Module):
    """A high-resolution module on maps made from one by pooling; sums what comes out."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        coarse = nn.functional.avg_pool2d(x, 2)
        maps = self.module([x, torch.cat([coarse, coarse], dim=1)])
        return maps[0].mean() + maps[1].mean()


def _hrnet(channels: int) -> Pair:
    widths = (channels, 2 * channels)
    theirs = TimmHighResolutionModule(2, BasicBlock, [2, 2], list(widths), list(widths), "SUM")
    ours = HighResolutionModule(widths, depth=2, block="basic", multi_scale=True)
    return Pair(_Branches(ours), _Branches(theirs))


def _inception(c: int) -> Pair:
    ours = _zoo("inception", c, 256, kernel_size=3)
    theirs = Inception(c, 64, 96, 128, 16, 32, 32)
    return Pair(nn.Sequential(ours, nn.BatchNorm2d(256), nn.ReLU(inplace=True)), theirs)


def _separable(c: int) -> Pair:
    theirs = DepthwiseSeparableConv(c, 2 * c)
    theirs.bn2 = nn.Identity()  # in ours this is left to the host
    return Pair(_zoo("depthwise_separable", c, 2 * c), theirs)


def _mbconv(c: int) -> Pair:
    config = MBConvConfig(4, 3, 1, c, c, 1, 1.0, 1.0)
    return Pair(_zoo("mbconv", c, c, expansion=4), MBConv(config, 0.0, nn.BatchNorm2d))


def _non_local(c: int) -> Pair:
    return Pair(_zoo("non_local", c), tl.NonLocalAttn(c, use_scale=False, rd_channels=c // 2))


def _sk(c: int) -> Pair:
    theirs = tl.SelectiveKernel(c, c, groups=32, rd_channels=32, split_input=False)
    return Pair(_zoo("sk", c), theirs)


def _halo(c: int) -> Pair:
    """The paper's form, without masks, as timm has it, and an output projection behind theirs."""
    ours = _zoo("halo", c, window=8, halo=3, heads=4, head_channels=c // 4, mask_padding=False)
    theirs = HaloAttn(c, num_heads=4, block_size=8, halo_size=3)
    return Pair(ours, nn.Sequential(theirs, nn.Conv2d(c, c, 1)))


def _self_attention(c: int) -> Pair:
    ours = _zoo("self_attention", c, heads=4, head_channels=c // 4)
    return Pair(ours, tl.Attention(c, 4, qkv_bias=True), tokens=True)


class _OnMap(nn.Module):
    """A mixer of ours on a map, as timm's class takes it."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, x: Tensor) -> Tensor:
        y = self.mixer(x.flatten(2).transpose(1, 2), size=(x.shape[2], x.shape[3]))
        return y.transpose(1, 2).reshape(x.shape)


def _additive(c: int) -> Pair:
    return Pair(_OnMap(_zoo("efficient_additive", c)), EfficientAdditiveAttention(c, c))


class _ChannelsLast(nn.Module):
    """A block of timm's on (B, H, W, C), given a map."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _rep_vgg(c: int) -> Pair:
    return Pair(nn.Sequential(_zoo("rep_vgg", c, c), nn.ReLU(inplace=True)), RepVggBlock(c, c))


def _mobile_one(c: int) -> Pair:
    theirs = nn.Sequential(
        MobileOneBlock(c, c, group_size=1, num_conv_branches=4),
        MobileOneBlock(c, c, kernel_size=1, num_conv_branches=4),
    )
    return Pair(nn.Sequential(_zoo("mobile_one", c, c), nn.ReLU(inplace=True)), theirs)


def _rep_lk(c: int) -> Pair:
    theirs = ReparamLargeKernelConv(c, c, 13, 1, 1, small_kernel=5)
    return Pair(_zoo("rep_lk", c, c, dilated=False), theirs)


def _hg_block(c: int) -> Pair:
    theirs = HighPerfGpuBlock(c, c // 4, c, 6, residual=True, agg="se")
    return Pair(_zoo("hg_block", c, c), theirs)


def _blur_pool(c: int) -> Pair:
    ours = _zoo("blur_pool", c, c, stride=2, form="max")
    theirs = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), tl.BlurPool2d(c, filt_size=3))
    return Pair(ours, theirs)


def _uib(c: int) -> Pair:
    theirs = UniversalInvertedResidual(c, c, 3, 3, exp_ratio=4, layer_scale_init_value=None)
    return Pair(_zoo("uib", c, c), theirs)


def _global_context(c: int) -> Pair:
    return Pair(_zoo("global_context", c), tl.GlobalContext(c, rd_channels=max(4, c // 16)))


RIVALS: dict[str, Callable[[int], Pair]] = {
    "conv": lambda c: Pair(_zoo("conv", c, c), nn.Conv2d(c, c, 3, padding=1, bias=False)),
    "group_conv": lambda c: Pair(
        _zoo("group_conv", c, c, groups=4, shuffle=True), _ShuffledConv(c)
    ),
    "fused_conv_bn": lambda c: Pair(
        _zoo("fused_conv_bn", c, c), Conv2dNormActivation(c, c, 3, activation_layer=None)
    ),
    "deform_conv": lambda c: Pair(_zoo("deform_conv", c, c), _DeformConv(c)),
    "cond_conv": lambda c: Pair(_zoo("cond_conv", c, c, experts=4), _RoutedCondConv(c, 4)),
    "split_attention": lambda c: Pair(
        _zoo("split_attention", c, c), tl.SplitAttn(c, c, norm_layer=nn.BatchNorm2d)
    ),
    "depthwise_separable": _separable,
    "mbconv": _mbconv,
    "mixed_depthwise": lambda c: Pair(
        _zoo("mixed_depthwise", c, c), tl.MixedConv2d(c, c, [3, 5, 7], depthwise=True)
    ),
    "ghost": lambda c: Pair(_zoo("ghost", c, c), GhostModule(c, c)),
    "ghost_v2": lambda c: Pair(_zoo("ghost_v2", c, c), GhostModuleV2(c, c)),
    "star": lambda c: Pair(_zoo("star", c, c), StarBlock(c, 4)),
    "convnext": lambda c: Pair(_zoo("convnext", c, c), ConvNeXtBlock(c)),
    "convnext_v2": lambda c: Pair(
        _zoo("convnext", c, c, grn=True), ConvNeXtBlock(c, use_grn=True, ls_init_value=None)
    ),
    "inception_next": lambda c: Pair(_zoo("inception_next", c, c), MetaNeXtBlock(c)),
    "gated_cnn": lambda c: Pair(
        _zoo("conv_glu", c, c, form="gated_cnn"), _ChannelsLast(GatedConvBlock(c))
    ),
    "rep_vgg": _rep_vgg,
    "mobile_one": _mobile_one,
    "rep_lk": _rep_lk,
    "faster_block": lambda c: Pair(
        _zoo("faster_block", c, c), MLPBlock(c, 4, 2.0, 0.0, 0.0)
    ),
    "hg_block": _hg_block,
    "uib": _uib,
    "blur_pool": _blur_pool,
    "pconv": lambda c: Pair(_zoo("pconv", c, c), Partial_conv3(c, 4, "split_cat")),
    "inception": _inception,
    "res2net": lambda c: Pair(_Res2NetBlock(c, c // 4), Bottle2neck(
        c, c // 4, base_width=64, norm_layer=nn.BatchNorm2d
    )),
    "se": lambda c: Pair(_zoo("se", c), tl.SEModule(c, rd_channels=c // 16, bias=False)),
    "eca": lambda c: Pair(_zoo("eca", c), tl.EcaModule(c)),
    "cbam": lambda c: Pair(_zoo("cbam", c), CbamModule(c, rd_channels=c // 16)),
    "coord_attention": lambda c: Pair(
        _zoo("coord_attention", c), CoordAttn(c, rd_channels=max(8, c // 32), se_factor=1)
    ),
    "ela": lambda c: Pair(_zoo("ela", c), EfficientLocalAttn(  # as in the paper
        c, act_layer=nn.Identity, norm_layer=lambda width, **_: nn.GroupNorm(16, width)
    )),
    "focal_modulation": lambda c: Pair(_zoo("focal_modulation", c), FocalModulation(c, 3, 3)),
    "cascaded_group": lambda c: Pair(_zoo("cascaded_group", c), LocalWindowAttention(
        c, 16, 4, c // 64, window_resolution=7, kernels=(7, 5, 3, 3)
    )),
    "global_context": _global_context,
    "non_local": _non_local,
    "sk": _sk,
    "halo": _halo,
    "self_attention": _self_attention,
    "efficient_additive": _additive,
    "aspp": lambda c: Pair(
        _zoo("aspp", c, dropout=0.5), ASPP(c, [6, 12, 18], out_channels=c)
    ),
    "hrnet": _hrnet,
    "gap": lambda c: Pair(_zoo("gap", c), tl.SelectAdaptivePool2d(flatten=True)),
    "swish": lambda c: Pair(_zoo("swish"), tl.Swish()),
    "hard_swish": lambda c: Pair(_zoo("hard_swish"), tl.HardSwish()),
    "hard_sigmoid": lambda c: Pair(_zoo("hard_sigmoid"), tl.HardSigmoid()),
}  # fmt: skip
