"""Examples that the zoo's sources quote; see tests/modules/test_examples.py."""

from tests.modules.examples import Example

EXAMPLES = [
    # CoConv3x3_2d(64, [32, 16, 16], [1, 2, 3]): the widths follow from the output's.
    Example("coconv", (64, 64), {"levels": 3}, [(4, 64, 56, 56)], (4, 64, 56, 56)),
    # (B, T, N, D) = (1, 8, 1, 64) in the source: the one series, channels before time.
    Example(
        "pyraformer",
        (64,),
        {"windows": (2, 2, 2), "inner_size": 3, "heads": 8, "head_channels": 8},
        [(1, 64, 8)],
        (1, 64, 8),
    ),
    # (B, C, N, T) = (1, 32, 1, 24) in the source: the one node; T is free.
    Example("dilated_inception", (32,), {"dilation": 1}, [(1, 32, 24)], (1, 32, 24)),
    Example(
        "axial_image_transformer",
        (64,),
        {"depth": 12, "reversible": True},
        [(1, 64, 64, 64)],
        (1, 64, 64, 64),
    ),
]
