"""Operators: the quoted examples in our constructor's terms."""

from tests.modules.examples import Example

EXAMPLES = [
    Example(
        "depthwise_separable",
        (3, 64),
        {"kernel_size": 3, "stride": 2},
        [(2, 3, 224, 224)],
        (2, 64, 112, 112),
    ),
    Example("depthwise_separable", (3, 64), {}, [(1, 3, 224, 224)], (1, 64, 224, 224)),
    Example("ghost", (128, 256), {"kernel_size": 3}, [(2, 128, 64, 64)], (2, 256, 64, 64)),
    # the quoted expand_ratio is the source's default, 1; its image_size is not needed
    Example(
        "mbconv",
        (3, 3),
        {"kernel_size": 3, "expansion": 1},
        [(1, 3, 112, 112)],
        (1, 3, 112, 112),
    ),
    # one group of all 4 channels, the source's default
    Example(
        "involution",
        (4, 4),
        {"kernel_size": 3, "stride": 2, "group_channels": 4},
        [(1, 4, 64, 64)],
        (1, 4, 32, 32),
    ),
    Example("acmix", (64, 64), {}, [(1, 64, 64, 64)], (1, 64, 64, 64)),
    Example("split_attention", (64, 64), {}, [(1, 64, 64, 64)], (1, 64, 64, 64)),
    # heads of 64 channels and expansion 1 are the source's defaults
    Example(
        "irmb",
        (64, 64),
        {"expansion": 1, "head_channels": 64},
        [(3, 64, 64, 64)],
        (3, 64, 64, 64),
    ),
    Example("pconv", (64, 64), {"reduction": 2}, [(1, 64, 64, 64)], (1, 64, 64, 64)),
    # morph 0 is the horizontal line
    Example(
        "dynamic_snake",
        (5, 10),
        {"kernel_size": 15, "axis": "horizontal", "extend_scope": 1.0},
        [(4, 5, 6, 7)],
        (4, 10, 6, 7),
    ),
    Example("het_conv", (16, 64), {"parts": 4}, [(1, 16, 224, 125)], (1, 64, 224, 125)),
    # quoted with a batch of 50, which takes ten seconds and shows no more
    Example("ac_block", (512, 512), {}, [(2, 512, 49, 49)], (2, 512, 49, 49)),
    Example("pyconv", (64, 64), {"levels": 3}, [(4, 64, 56, 56)], (4, 64, 56, 56)),
    Example("dynamic_conv", (32, 64), {}, [(2, 32, 64, 64)], (2, 64, 64, 64)),
    Example("cond_conv", (32, 64), {"experts": 4}, [(2, 32, 64, 64)], (2, 64, 64, 64)),
]
