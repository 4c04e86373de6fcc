"""Examples that the zoo's sources quote; see tests/modules/test_examples.py."""

from tests.modules.examples import Example

EXAMPLES = [
    Example("se", (512,), {"reduction": 8}, [(50, 512, 7, 7)], (50, 512, 7, 7)),
]
