"""The checks of a sampler find what breaks the contract, and say what."""

from __future__ import annotations

import pytest

from plugnas.nas.samplers import Sampler, SpaceExhausted
from plugnas.nas.testing import CHECKS, ContractError, check_sampler


class InOrder(Sampler):
    """Proposes a small space in the order of its codes."""

    def __init__(self, problem):
        self.left = [a for c in problem.space.enumerate() for a in problem.space.architectures(c)]
        self.known = set()

    def ask(self, number):
        for architecture in self.left:
            if architecture.id not in self.known:
                self.known.add(architecture.id)
                return architecture
        raise SpaceExhausted("all are asked for")

    def tell(self, measurement):
        self.known.add(measurement.architecture.id)


class Repeats(InOrder):
    def ask(self, number):
        return self.left[0]


def test_a_sampler_that_breaks_the_contract_is_told_how():
    with pytest.raises(ContractError, match="proposed twice"):
        check_sampler(Repeats)
    with pytest.raises(ContractError, match="limit is 90"):
        CHECKS[0](lambda problem: _dearest_first(problem))


def _dearest_first(problem):
    sampler = InOrder(problem)
    sampler.left.reverse()
    return sampler
