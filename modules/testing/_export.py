"""The check of torch.export with a dynamic batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._entry import Entry, Setting
from plugnas.modules.testing._case import Case, Trial
from plugnas.modules.testing._failures import ConformanceError, ensure_close


def exported_settings(entry: Entry) -> list[Setting]:
    """The settings whose graphs differ in kind: the default, and each other form of a choice.

    A number changes sizes in the graph, a word or a flag changes the graph.
    """
    found: list[Setting] = []
    for name, values in entry.choices.items():
        for value in values:
            setting = {**entry.defaults, name: value}
            if isinstance(value, bool | str) and entry.matters(name, setting):
                found.append(setting)
    return [entry.defaults, *(s for s in found if s != entry.defaults)]


def is_exported(case: Case) -> bool:
    """Whether the setting of a case is one that is exported."""
    return bool(case.sites) and case.setting in exported_settings(case.entry)


def check_export(trial: Trial) -> None:
    """The exported program computes the same at other batch sizes; a declared failure is real."""
    case = trial.case
    if not is_exported(case):
        return
    module = _Bound(trial.module, case.entry.contract.keywords(trial.site))
    if "pt2" in case.entry.export:
        _export(_Bound(_First(), {}), trial.args)  # so a failure below is the module's
        try:
            _export(module, trial.args)
        except Exception:  # noqa: BLE001 - the exporter's many kinds of failure prove the declaration
            return
        raise ConformanceError("it is declared that pt2 cannot take the module, but it can")
    run = _export(module, trial.args)
    for batch in (1, 2):
        args = case.inputs(trial.site, batch, seed=7)
        with torch.no_grad():
            ensure_close(run(*args), module(*args), f"the exported program at batch {batch}")


def _export(module: nn.Module, args: tuple[Tensor, ...]) -> nn.Module:
    batch = torch.export.Dim("batch", min=1, max=64)
    shapes = {"args": tuple({0: batch} for _ in args)}
    with torch.no_grad():  # as `nas export` does; a fifth quicker
        program = torch.export.export(module, args, dynamic_shapes=shapes, strict=False)
    return program.module()


class _First(nn.Module):
    """Returns twice its first input."""

    def forward(self, *args: Tensor) -> Tensor:
        return 2 * args[0]


class _Bound(nn.Module):
    """A module with the keywords of its call bound."""

    def __init__(self, module: nn.Module, keywords: dict[str, Any]) -> None:
        super().__init__()
        self.module, self.keywords = module, keywords

    def forward(self, *args: Tensor) -> Tensor:
        y: Tensor = self.module(*args, **self.keywords)
        return y
