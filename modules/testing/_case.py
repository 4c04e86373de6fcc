"""A module with one setting, and the module built at one of its sites."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules._entry import Entry, Setting, token
from plugnas.modules._registry import entries, get
from plugnas.modules._slots import Site


@dataclass(frozen=True)
class Case:
    """One module of the registry under one complete setting."""

    entry: Entry
    setting: Setting

    @property
    def name(self) -> str:
        """``se-reduction=4``."""
        parts = (f"-{name}={token(value)}" for name, value in self.setting.items())
        return self.entry.key + "".join(parts)

    @property
    def changes(self) -> int:
        """How many choices that matter stand at another value than the default."""
        defaults, matters = self.entry.defaults, self.entry.matters
        return sum(
            value != defaults[name] and matters(name, self.setting)
            for name, value in self.setting.items()
        )

    @property
    def sites(self) -> list[Site]:
        """Those of the slot's sites that the declaration does not refuse."""
        return [s for s in self.entry.contract.sites if not self.entry.refusal(s, self.setting)]

    @property
    def refused(self) -> list[Site]:
        """Those of the slot's sites that it refuses."""
        return [s for s in self.entry.contract.sites if self.entry.refusal(s, self.setting)]

    def build(self, site: Site, seed: int = 0) -> nn.Module:
        """Build even where the declaration refuses, with weights drawn from ``seed``."""
        torch.manual_seed(seed)
        return self.entry.contract.build(self.entry.cls, site, self.setting)

    def inputs(self, site: Site, batch: int, seed: int = 1, **kind: Any) -> tuple[Tensor, ...]:
        """Return inputs of the slot's contract; ``kind`` is passed on (device, dtype)."""
        generator = None if kind.get("device") == "meta" else torch.Generator().manual_seed(seed)
        return self.entry.contract.inputs(site, batch, generator=generator, **kind)

    def run(self, module: nn.Module, site: Site, args: Iterable[Tensor]) -> Tensor:
        """Call the module as the slot's contract says."""
        y: Tensor = module(*args, **self.entry.contract.keywords(site))
        return y


class Trial:
    """A case at one site: the module, built once, its inputs and its output in eval mode."""

    def __init__(self, case: Case, site: Site) -> None:
        self.case, self.site = case, site

    @cached_property
    def module(self) -> nn.Module:
        """The module in eval mode with generic weights; checks that change it take a copy."""
        module = self.case.build(self.site)
        scramble(module)
        return module.eval()

    @cached_property
    def args(self) -> tuple[Tensor, ...]:
        """Three samples."""
        return self.case.inputs(self.site, 3)

    @cached_property
    def output(self) -> Tensor:
        """The module's output for ``args``."""
        return self.run(self.module, self.args)

    @torch.no_grad()
    def run(self, module: nn.Module, args: Iterable[Tensor]) -> Tensor:
        """Call a module of this kind without gradients."""
        return self.case.run(module, self.site, args)

    def copy(self) -> nn.Module:
        """Return a copy of the module that may be changed."""
        return copy.deepcopy(self.module)

    def shape(self, batch: int, module: nn.Module | None = None) -> tuple[int, ...]:
        """Return the output shape that the contract promises."""
        built = self.module if module is None else module
        return self.case.entry.contract.output_shape(self.site, batch, built)


def scramble(module: nn.Module, seed: int = 2) -> None:
    """Give every parameter and norm statistic a generic value: zeros would hide dead branches."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(1.5)


def cases(*keys: str, slot: str | None = None) -> Iterator[Case]:
    """Yield a case for each setting of the named modules; of a slot's, or of all, without names.

    Raises:
        UnknownModuleError: a name that is not registered.
    """
    found = [get(key) for key in keys] if keys else [e for e in entries() if slot in (None, e.slot)]
    for entry in found:
        yield from (Case(entry, setting) for setting in entry.settings())
