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
]
