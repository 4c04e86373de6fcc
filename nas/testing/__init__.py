"""Checks that a sampler from outside keeps to the contract; ours are held to the same.

In a test of your own, with pytest or without:

    from plugnas.nas.testing import check_sampler

    def test_my_sampler():
        check_sampler(MySampler)
"""

from plugnas.nas.testing.problems import accuracy, flops, macro_problem, measured, run
from plugnas.nas.testing.samplers import CHECKS, ContractError, check_sampler

__all__ = [
    "CHECKS",
    "ContractError",
    "accuracy",
    "check_sampler",
    "flops",
    "macro_problem",
    "measured",
    "run",
]
