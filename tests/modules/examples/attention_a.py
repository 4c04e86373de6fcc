"""Examples that the zoo's sources quote; see tests/modules/test_examples.py."""

from tests.modules.examples import Example

_MAP = (1, 64, 64, 64)
_BATCH = (50, 512, 7, 7)

EXAMPLES = [
    Example("se", (512,), {"reduction": 8}, [_BATCH], _BATCH),
    Example("cbam", (64,), {}, [_MAP], _MAP),
    Example("cbam", (512,), {"reduction": 16, "kernel_size": 7}, [(4, 512, 7, 7)], (4, 512, 7, 7)),
    Example("eca", (64,), {"kernel_size": 3}, [_MAP], _MAP),
    Example("coord_attention", (64,), {}, [_MAP], _MAP),
    Example("simam", (3,), {}, [(1, 3, 64, 64)], (1, 3, 64, 64)),
    Example("cot", (64,), {}, [_MAP], _MAP),
    Example("cot", (64,), {"form": "circulating"}, [_MAP], _MAP),
    Example("triplet", (512,), {}, [_BATCH], _BATCH),
    Example("s2", (512,), {}, [_BATCH], _BATCH),
    # the source leaves the two parts of DANet as (B, N, C) and (B, C, N); here they stay maps
    Example("danet_position", (512,), {}, [(1, 512, 7, 7)], (1, 512, 7, 7)),
    Example("danet_channel", (512,), {}, [(1, 512, 7, 7)], (1, 512, 7, 7)),
    Example("danet", (512,), {}, [(1, 512, 7, 7)], (1, 512, 7, 7)),
    Example("ema", (64,), {}, [_MAP], _MAP),
    Example("sea", (512,), {"head_channels": 64, "heads": 8}, [(1, 512, 7, 7)], (1, 512, 7, 7)),
    Example("safm", (36,), {}, [(1, 36, 224, 224)], (1, 36, 224, 224)),
    Example("gam", (64,), {}, [(1, 64, 20, 20)], (1, 64, 20, 20)),
    # the source's code sums the scales to 128 channels; joined they are 512
    Example("psa", (512,), {"reduction": 4, "branches": 4}, [(3, 512, 64, 64)], (3, 512, 64, 64)),
    Example(
        "halo",
        (512,),
        {"window": 2, "halo": 1, "head_channels": 64},
        [(1, 512, 64, 64)],
        (1, 512, 64, 64),
    ),
    # the source has its channels last: (64, 8, 8, 512)
    Example("vip", (512,), {"segments": 8}, [(64, 512, 8, 8)], (64, 512, 8, 8)),
    Example(
        "sk",
        (512,),
        {"kernel_sizes": (1, 3, 5, 7), "reduction": 8, "groups": 1, "dilated": False},
        [_BATCH],
        _BATCH,
    ),
    Example("shuffle_attention", (512,), {"groups": 8}, [_BATCH], _BATCH),
    Example("parnet", (512,), {}, [(3, 512, 7, 7)], (3, 512, 7, 7)),
    Example("clo", (64,), {}, [_MAP], _MAP),
    Example("biformer", (64,), {}, [_MAP], _MAP),
    Example("super_token", (64,), {"cell": 8}, [(3, 64, 64, 64)], (3, 64, 64, 64)),
    Example("criss_cross", (64,), {}, [_MAP], _MAP),
    # 128 features and 128 maps of 64 channels
    Example("double_attention", (64,), {"expansion": 2.0, "map_expansion": 2.0}, [_MAP], _MAP),
]
