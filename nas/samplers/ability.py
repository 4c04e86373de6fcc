"""What some samplers cannot do, said before a search begins."""

from __future__ import annotations

from plugnas.nas.samplers.candidate_pool import TABLE
from plugnas.nas.samplers.problem import Problem, ProblemError


def check_ability(name: str, problem: Problem) -> None:
    """Raise ProblemError if the named sampler cannot search this space."""
    conditional = [p.name for p in problem.space.parameters if p.parent is not None]
    if name in ("gp", "grid") and conditional:
        raise ProblemError(
            f"sampler `{name}` cannot search a space whose choices depend on others (such as "
            f"{conditional[0]}); use `predictor`, `evolution` or `tpe`"
        )
    if name == "grid" and problem.space.size > TABLE:
        raise ProblemError(
            f"sampler `grid` lists the whole space, at most {TABLE} architectures, but this one "
            f"has {problem.space.size:.3g}; use `predictor` or `random`"
        )
