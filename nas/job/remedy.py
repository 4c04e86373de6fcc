"""What to change in a space of which nothing meets the budget: the least change that helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.cost import NetworkCost
from plugnas.nas.cost.budget import BudgetError, check_budget, least
from plugnas.nas.cost.quantity import short
from plugnas.nas.job.compiled import space_of
from plugnas.nas.job.prepared import Prepared
from plugnas.space.config import SpaceConfig

_LARGEST_STRIDE = 4


def check_job_budget(prepared: Prepared, budget: Mapping[str, float]) -> None:
    """Refuse a budget that nothing meets, and say what to change.

    Raises:
        BudgetError: a limit of an unknown cost, or one that nothing found meets.
    """
    try:
        check_budget(prepared.space, prepared.cost, budget)
    except BudgetError as error:
        raise BudgetError(f"{error}{remedy(prepared, budget)}") from None


def remedy(prepared: Prepared, budget: Mapping[str, float]) -> str:
    """Return the first of a few small changes that meets the budget, else the one nearest to it.

    Nothing for a host, whose size is given, and for costs that are not known without measuring.
    """
    config = prepared.job.space
    if config.host is not None or not set(budget) <= set(prepared.cost.names):
        return ""
    tried: list[tuple[float, str]] = []
    for what, changed in _changes(config):
        found = _cheapest(prepared, changed, budget)
        if found is None:
            continue
        excess, costs = found
        has = " and ".join(f"{name} = {short(costs[name])}" for name in budget)
        if excess <= 0:
            return f"; with {what} the cheapest has {has}, which fits"
        tried.append((excess, f"; nearest comes {what}, with {has}"))
    return min(tried)[1] if tried else ""


def _changes(config: SpaceConfig) -> Iterator[tuple[str, SpaceConfig]]:
    """Yield changed spaces, that of the least change first, with the words for it."""
    if config.stem.stride < _LARGEST_STRIDE:
        stride = 2 * config.stem.stride
        yield f"`stem: {{stride: {stride}}}`", _with_stride(config, stride)
    for share, word in ((2, "half"), (4, "a quarter of")):
        yield f"{word} the widths of stem and stages", _narrower(config, share)


def _with_stride(config: SpaceConfig, stride: int) -> SpaceConfig:
    return _replaced(config, stem=_replaced(config.stem, stride=stride))


def _narrower(config: SpaceConfig, share: int) -> SpaceConfig:
    stages = [_replaced(s, width=_divided(s.width, share)) for s in config.stages]
    stem = _replaced(config.stem, width=_divided(config.stem.width, share))
    return _replaced(config, stem=stem, stages=stages)


def _divided(width: int | list[int], share: int) -> int | list[int]:
    if isinstance(width, int):
        return max(1, width // share)
    return sorted({max(1, w // share) for w in width})


def _cheapest(
    prepared: Prepared, config: SpaceConfig, budget: Mapping[str, float]
) -> tuple[float, Mapping[str, float]] | None:
    """Return by how much the cheapest of a changed space exceeds the budget, and its costs."""
    job = msgspec.structs.replace(prepared.job, space=config)
    try:
        space = space_of(
            job, prepared.dataset.input_shape, prepared.outputs, head=prepared.task.head
        )
        cost = NetworkCost(space, prepared.cost.table, dtype=prepared.cost.dtype)
        architecture, excess = least(space, cost, budget)
    except PlugnasError:  # such a space cannot be, so it is no advice
        return None
    return excess, cost.cost(architecture)


def _replaced(section: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(section, **changes)


__all__ = ["check_job_budget", "remedy"]
