"""Optuna's samplers by name, mended where a search space of ours needs more than they do.

Of two parents a child of the genetic ones inherits only what all trials have in common; every
other parameter Optuna draws at random, so that the settings of a module are never bred. Here such
a parameter, where the child has it, comes from a parent that has it, too, and mutates as seldom as
the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    _Genetic = NSGAIISampler
else:
    _Genetic = object


class _Inheriting(_Genetic):
    def __init__(self, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed=seed, **options)
        self._choice = np.random.default_rng(seed)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a parent's value of a conditional parameter, at times a random one."""
        # a parameter that is common to all trials comes here to be mutated
        if param_name not in self.infer_relative_search_space(study, trial):
            parents = self.get_parent_population(study, self.get_trial_generation(study, trial))
            held = [p.params[param_name] for p in parents if param_name in p.params]
            if held and self._choice.random() * len(trial.params) >= 1:
                return held[self._choice.integers(len(held))]
        return super().sample_independent(study, trial, param_name, param_distribution)


class ConditionalNSGAII(_Inheriting, NSGAIISampler):
    """NSGA-II (Deb et al., 2002)."""


class ConditionalNSGAIII(_Inheriting, NSGAIIISampler):
    """NSGA-III (Deb and Jain, 2014)."""


class Grid(GridSampler):
    """The grid, which else stops a study that nobody is running when it is through."""

    def after_trial(self, *args: Any) -> None:
        """Do nothing."""


KINDS = {
    "tpe": TPESampler,
    "nsga2": ConditionalNSGAII,
    "nsga3": ConditionalNSGAIII,
    "gp": GPSampler,
}
"""Those that take a seed alone; ``Grid`` takes the space."""
