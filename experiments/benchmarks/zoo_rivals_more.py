"""More pairs for ``zoo.py``: attentions, activations, upsampling, and layers that torch has itself.

As in ``zoo_rivals.py`` both of a pair do the same work. Where a rival is built for one size of map,
that is the 32 x 32 of the default site.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import timm.layers as tl
from timm.layers.bottleneck_attn import BottleneckAttn
from timm.models.metaformer import Pooling
from timm.models.mobilevit import LayerFn, MobileVitBlock, MobileVitV2Block
from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.volo import OutlookAttention
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.benchmarks.zoo_rivals import Pair
from plugnas import modules

SIDE = 32


def _ours(key: str, *args: int, **settings: object) -> nn.Module:
    return modules.get(key).cls(*args, **settings)


class _Through(nn.Module):
    """A function of a map, with the layers that it runs."""

    def __init__(self, function: Callable[[Tensor], Tensor], layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, layers

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _last(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer of timm's on (B, H, W, C), given a map."""
    return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _window_attention(c: int, *, shifted: bool) -> Pair:
    block = SwinTransformerBlock(
        c, (SIDE, SIDE), c // 32, window_size=8, shift_size=4 if shifted else 0
    )
    theirs = _Through(partial(_last, block._attn), block.attn)
    return Pair(_ours("window_attention", c, window=8, shifted=shifted), theirs)


def _outlook(c: int) -> Pair:
    layer = OutlookAttention(c, c // 32, stride=2)
    return Pair(_ours("outlook", c), _Through(partial(_last, layer), layer))


def _bot_attention(c: int) -> Pair:
    theirs = BottleneckAttn(
        c, feat_size=(SIDE, SIDE), num_heads=4, dim_head=c // 4, scale_pos_embed=True
    )
    return Pair(_ours("bot_attention", c, size=SIDE), theirs)


SILU = LayerFn(conv_norm_act=partial(tl.ConvNormAct, act_layer=nn.SiLU), act=nn.SiLU)


def _mobile_vit(c: int) -> Pair:
    theirs = MobileVitBlock(
        c, transformer_dim=3 * c // 2, transformer_depth=2, patch_size=2, layers=SILU
    )
    return Pair(_ours("mobile_vit", c), theirs)


def _mobile_vit_v2(c: int) -> Pair:
    theirs = MobileVitV2Block(
        c, bottle_ratio=0.5, transformer_dim=c // 2, transformer_depth=2, patch_size=2, layers=SILU
    )
    return Pair(_ours("mobile_vit_v2", c), theirs)


def _simplified(c: int) -> Pair:
    """torch's attention without its first three projections, and its last."""
    project = nn.Linear(c, c)

    def attend(x: Tensor) -> Tensor:
        heads = x.unflatten(2, (8, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(heads, heads, heads)
        return project(y.transpose(1, 2).flatten(2))

    return Pair(_ours("simplified_self_attention", c), _Through(attend, project), tokens=True)


def _conv(c: int, kernel: int | tuple[int, int], padding: int | tuple[int, int] = 0) -> nn.Conv2d:
    return nn.Conv2d(c, c, kernel, padding=padding, bias=False)


def _spd_conv(c: int) -> Pair:
    theirs = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * c, c, 3, padding=1, bias=False))
    return Pair(_ours("spd_conv", c, c, stride=2), theirs)


def _transposed(c: int) -> Pair:
    theirs = nn.ConvTranspose2d(c, c, 4, 2, 1)
    return Pair(_ours("transposed", c), theirs)


def _pixel_shuffle(c: int) -> Pair:
    theirs = nn.Sequential(nn.Conv2d(c, 4 * c, 3, padding=1), nn.PixelShuffle(2))
    return Pair(_ours("pixel_shuffle", c), theirs)


MORE_RIVALS: dict[str, Callable[[int], Pair]] = {
    "pointwise_conv": lambda c: Pair(_ours("pointwise_conv", c, c), _conv(c, 1)),
    "dilated_conv": lambda c: Pair(
        _ours("dilated_conv", c, c), nn.Conv2d(c, c, 3, padding=2, dilation=2, bias=False)
    ),
    "spatially_separable": lambda c: Pair(
        _ours("spatially_separable", c, c),
        nn.Sequential(_conv(c, (3, 1), (1, 0)), _conv(c, (1, 3), (0, 1))),
    ),
    "spd_conv": _spd_conv,
    "ese": lambda c: Pair(_ours("ese", c), tl.EffectiveSEModule(c)),
    "pool_mixer": lambda c: Pair(_ours("pool_mixer", c), Pooling(3)),
    "window_attention": partial(_window_attention, shifted=False),
    "shifted_window": partial(_window_attention, shifted=True),
    "bot_attention": _bot_attention,
    "outlook": _outlook,
    "mobile_vit": _mobile_vit,
    "mobile_vit_v2": _mobile_vit_v2,
    "simplified_attention": _simplified,
    "gelu": lambda c: Pair(_ours("gelu"), tl.GELU()),
    "mish": lambda c: Pair(_ours("mish"), nn.Mish()),
    "prelu": lambda c: Pair(_ours("prelu", c), nn.PReLU(c)),
    "relu": lambda c: Pair(_ours("relu"), nn.ReLU()),
    "nearest": lambda c: Pair(_ours("nearest", c), nn.Upsample(scale_factor=2)),
    "bilinear": lambda c: Pair(_ours("bilinear", c), nn.Upsample(scale_factor=2, mode="bilinear")),
    "transposed": _transposed,
    "pixel_shuffle": _pixel_shuffle,
}
