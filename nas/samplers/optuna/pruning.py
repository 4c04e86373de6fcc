"""In an Optuna study of one's own: what need not be trained is pruned before it is."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from plugnas.nas.cost.hard_budget import HardBudget
from plugnas.space import Architecture

KEY = "plugnas_architecture"
"""The user attribute of a trial that holds the id of its architecture."""


def prune_if_seen(trial: optuna.Trial, architecture: Architecture) -> None:
    """End a trial whose network another trial of its study has: trained, or in training.

    Two trials of different parameters may have one network. A trial that failed, or was pruned,
    does not count: its network may be trained again.

    Raises:
        optuna.TrialPruned: there is such a trial; the text names it.
    """
    trial.set_user_attr(KEY, architecture.id)
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    for other in trial.study.get_trials(deepcopy=False, states=states):
        if other.number < trial.number and other.user_attrs.get(KEY) == architecture.id:
            raise optuna.TrialPruned(
                f"the network {architecture.id} is that of trial {other.number}"
            )


def prune_if_over(trial: optuna.Trial, architecture: Architecture, budget: HardBudget) -> None:
    """End a trial whose network is above a hard budget, or cannot be built.

    The reason is the trial's user attribute ``plugnas_refusal``.

    Raises:
        optuna.TrialPruned: it is.
    """
    reason = budget.refusal(architecture)
    if reason is not None:
        trial.set_user_attr("plugnas_refusal", reason)
        raise optuna.TrialPruned(reason)


__all__ = ["KEY", "prune_if_over", "prune_if_seen"]
