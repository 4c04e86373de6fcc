"""Examples that the zoo's sources quote; see tests/modules/test_examples.py."""

from tests.modules.examples import Example

EXAMPLES = [
    Example(
        "self_attention",
        (512,),
        {"head_channels": 512, "value_channels": 256},
        [(50, 20, 512), (50, 49, 512), (50, 49, 512)],
        (50, 20, 512),
    ),
    Example(
        "self_attention",
        (512,),
        {"head_channels": 64},
        [(8, 50, 512), (8, 50, 512), (8, 50, 512)],
        (8, 50, 512),
        {"size": (5, 10)},
    ),
    Example(
        "external_attention", (64,), {"memory": 8}, [(64, 64, 64)], (64, 64, 64), {"size": (8, 8)}
    ),
    Example("aspp", (256,), {"dilations": (6, 12, 18)}, [(2, 256, 13, 13)], (2, 256, 13, 13)),
    Example("fca", (64,), {"dct_size": 16}, [(1, 64, 64, 64)], (1, 64, 64, 64)),
    Example("scconv", (32,), {}, [(1, 32, 16, 16)], (1, 32, 16, 16)),
    Example("sru", (32,), {}, [(1, 32, 16, 16)], (1, 32, 16, 16)),
    Example("cru", (32,), {}, [(1, 32, 16, 16)], (1, 32, 16, 16)),
    Example("ulsam", (64,), {"groups": 4}, [(2, 64, 112, 112)], (2, 64, 112, 112)),
    Example("ssh", (64,), {}, [(6, 64, 128, 128)], (6, 64, 128, 128)),
    # Channel-last (1, 16, 16, 512) at its source; a mixer takes tokens and the size.
    Example("dilate", (512,), {}, [(1, 256, 512)], (1, 256, 512), {"size": (16, 16)}),
    # Queries, keys and values are the same tensor at its source.
    Example(
        "emsa",
        (512,),
        {"heads": 8, "head_channels": 512, "spatial_reduction": 2},
        [(64, 64, 512)],
        (64, 64, 512),
        {"size": (8, 8)},
    ),
    Example(
        "efficient_additive",
        (512,),
        {"expansion": 1.0},
        [(1, 50, 512)],
        (1, 50, 512),
        {"size": (5, 10)},
    ),
    Example(
        "ufo",
        (512,),
        {"heads": 8, "head_channels": 512},
        [(64, 64, 512)],
        (64, 64, 512),
        {"size": (8, 8)},
    ),
    Example("aft", (512,), {"mode": "full"}, [(64, 64, 512)], (64, 64, 512), {"size": (8, 8)}),
    Example(
        "simplified_self_attention",
        (512,),
        {"heads": 8},
        [(50, 20, 512), (50, 49, 512), (50, 49, 512)],
        (50, 20, 512),
    ),
]
