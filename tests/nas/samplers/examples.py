"""Small problems with a known landscape, shared by the tests of the samplers."""

from __future__ import annotations

from plugnas.nas.testing import accuracy, flops, macro_problem, measured, run
from plugnas.nas.testing.problems import GAIN, MACRO
from plugnas.space import SearchSpace


def conditional_space() -> SearchSpace:
    """A space from a job: settings that exist only under their module, and blocks under depth."""
    return SearchSpace.from_config(
        {
            "stem": {"width": 8},
            "stages": [{"width": [8, 16], "depth": [1, 2]}, {"width": 16, "depth": 1, "stride": 2}],
            "slots": {
                "operator": ["conv", {"mbconv": {"expansion": [3, 6]}}],
                "attention": ["none", {"se": {"reduction": [4, 8]}}],
            },
        },
        (1, 8, 8),
        10,
    )


__all__ = [
    "GAIN",
    "MACRO",
    "accuracy",
    "conditional_space",
    "flops",
    "macro_problem",
    "measured",
    "run",
]
