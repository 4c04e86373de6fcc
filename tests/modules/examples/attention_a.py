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
]
