"""What every sampler keeps to: unseen, within budget, resumable, exhausted at a space's end."""

from __future__ import annotations

import math
from collections.abc import Callable

from plugnas.modules import PlugnasError
from plugnas.nas.ledger.measurement import Measurement
from plugnas.nas.samplers import Problem, Sampler, SpaceExhausted
from plugnas.nas.testing.problems import accuracy, flops, macro_problem, measured, run
from plugnas.space import SearchSpace

Make = Callable[[Problem], Sampler]


class ContractError(PlugnasError, AssertionError):
    """A sampler does something that no search can work with; the text says what."""


def check_sampler(make: Make) -> None:
    """Run every check on samplers that ``make`` returns for a problem.

    Raises:
        ContractError: naming what the sampler did.
    """
    for check in CHECKS:
        check(make)


def proposes_nothing_twice_and_nothing_above_the_budget(make: Make) -> None:
    """40 proposals are 40 architectures, all within the limit."""
    asked = run(make(macro_problem(budget={"flops": 90.0})), 40)
    _hold(len({a.id for a in asked}) == 40, "an architecture was proposed twice")
    most = max(flops(a)["flops"] for a in asked)
    _hold(most <= 90.0, f"flops of {most:g} was proposed where the limit is 90")


def continues_as_if_never_interrupted(make: Make) -> None:
    """A new sampler that is told the first 14 measurements goes on with the same proposals."""
    whole = run(make(macro_problem()), 24)
    resumed = make(macro_problem())
    for number, architecture in enumerate(whole[:14]):
        resumed.tell(measured(number, architecture, accuracy=accuracy(architecture)))
    again = run(resumed, 10, start=14)
    _hold(again == whole[14:], "after an interruption other architectures are proposed")


def repeats_with_the_seed(make: Make) -> None:
    """The same seed gives the same proposals, another seed others."""
    first, again = (run(make(macro_problem(seed=3)), 12) for _ in range(2))
    other = run(make(macro_problem(seed=4)), 12)
    _hold(first == again, "the same seed gave other proposals")
    _hold(first != other, "another seed gave the same proposals")


def ends_with_the_space(make: Make) -> None:
    """Nine architectures, all asked for before any is told: then the space is exhausted."""
    space = SearchSpace({"a": ["x", "y", "z"], "b": [1, 2, 3]})
    sampler = make(Problem(space))
    asked = [sampler.ask(number) for number in range(9)]
    _hold(len({a.id for a in asked}) == 9, "a space of 9 was not proposed whole")
    _exhausted(sampler)
    for number, architecture in enumerate(asked):
        sampler.tell(measured(number, architecture, accuracy=number / 10))
    _exhausted(sampler)


def takes_failures_and_values_that_are_not_finite(make: Make) -> None:
    """Failed measurements, NaN and infinity are results: the sampler goes on."""
    sampler = make(macro_problem())
    for number in range(20):
        architecture = sampler.ask(number)
        value = (accuracy(architecture), math.nan, math.inf)[number % 3]
        if number % 4 == 0:
            failed = Measurement(number, architecture, 0, 0, "failed", reason="raised: no memory")
            sampler.tell(failed)
        else:
            sampler.tell(measured(number, architecture, accuracy=value))


CHECKS: tuple[Callable[[Make], None], ...] = (
    proposes_nothing_twice_and_nothing_above_the_budget,
    continues_as_if_never_interrupted,
    repeats_with_the_seed,
    ends_with_the_space,
    takes_failures_and_values_that_are_not_finite,
)
"""Every check; each takes what makes a sampler of a problem."""


def _hold(kept: bool, broken: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not kept:
        raise ContractError(f"a sampler must keep its contract, but {broken}")


def _exhausted(sampler: Sampler) -> None:
    try:
        found = sampler.ask(9)
    except SpaceExhausted:
        return
    raise ContractError(
        f"a sampler raises SpaceExhausted where nothing is left, but it proposed {found.json()}"
    )
