"""Around a searcher of Ray Tune in an experiment of one's own: a hard budget, no duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.search import Searcher

from plugnas.nas.cost.hard_budget import HardBudget

_ASKED = 200
"""Proposals in a row that may be known or over the budget."""


class Within(Searcher):
    """Another searcher, of whose proposals only those within a budget and unseen are passed on.

    What is refused is told to it at once as failed, and it is asked again, 200 times at most; then
    the experiment gets no further trials.

    Args:
        budget: the limits, and the space.
        searcher: any searcher of Ray Tune.
        key: the key of the config that holds the architecture's choices; None where the config
            holds nothing else.
    """

    def __init__(self, budget: HardBudget, searcher: Searcher, key: str | None = None) -> None:
        super().__init__(metric=searcher.metric, mode=searcher.mode)
        self.searcher, self.budget, self.key = searcher, budget, key
        self._seen: set[tuple[str, str]] = set()
        self._names: dict[str, str] = {}  # trial -> its name with the searcher

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Pass them on."""
        self._metric, self._mode = metric or self._metric, mode or self._mode
        return bool(self.searcher.set_search_properties(metric, mode, config, **spec))

    def suggest(self, trial_id: str) -> Any:
        """Return the next config that is within the budget and new."""
        for turn in range(_ASKED):
            name = trial_id if turn == 0 else f"{trial_id}-{turn}"
            config = self.searcher.suggest(name)
            if not isinstance(config, dict):  # it waits, or has come to its end
                return config
            identity = self._identity(config)
            if identity is not None and identity not in self._seen:
                self._seen.add(identity)
                self._names[trial_id] = name
                return config
            self.searcher.on_trial_complete(name, error=True)
        return Searcher.FINISHED

    def _identity(self, config: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return a key that is equal for equal trainings; None where the budget refuses it."""
        values = config if self.key is None else config[self.key]
        architecture = self.budget.space.architecture(values)
        if self.budget.refusal(architecture) is not None:
            return None
        rest = {} if self.key is None else {k: v for k, v in config.items() if k != self.key}
        return architecture.id, repr(sorted(rest.items()))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a result on."""
        self.searcher.on_trial_result(self._names[trial_id], result)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Ray Tune's signature
    ) -> None:
        """Pass the end of a trial on."""
        self.searcher.on_trial_complete(self._names.pop(trial_id), result, error)

    def get_state(self) -> dict[str, Any]:
        """Return what was proposed; Ray Tune keeps the searcher's own state beside it."""
        return {"seen": sorted(self._seen), "names": self._names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_state`` returned."""
        self._seen = {(architecture, rest) for architecture, rest in state["seen"]}
        self._names = dict(state["names"])


__all__ = ["Within"]
