"""Checks of half precision: autocast and pure float16 stay close to float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from plugnas.modules._slots import Site
from plugnas.modules.testing._case import Case, Trial, scramble
from plugnas.modules.testing._failures import ensure, relative_error

# bfloat16 keeps 8 bits: a rounding of each value is 0.2 %, of a deep module's a few per cent.
_TOLERANCE = {torch.bfloat16: 0.1, torch.float16: 0.02}
# Coordinates are made by axis: one long side at a time is enough, and cheaper.
_LONG = (Site(16, 56, 8), Site(16, 112, 8), Site(16, 8, 112))
_SAMPLES_POINTS = ("grid_sampler", "deform_conv2d", "grid_sample")


def check_autocast(trial: Trial) -> None:
    """Autocast to bfloat16 and float16 stays close to float32; gradients are finite."""
    for dtype in _TOLERANCE:
        with torch.autocast("cpu", dtype=dtype):
            y = trial.run(trial.module, trial.args)
        _ensure_near(trial.case, y, trial.output, dtype, "autocast")
    module = trial.copy().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = trial.case.run(module, trial.site, trial.args)
    if y.requires_grad:
        y.float().sum().backward()
        finite = all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())
        ensure(finite, "a gradient under autocast is not finite")


def check_half(trial: Trial) -> None:
    """A module that is float16 throughout stays close to float32."""
    args = [a.half() for a in trial.args]
    y = trial.run(trial.copy().half(), args)
    ensure(y.dtype == torch.float16, f"float16 went in, {y.dtype} came out")
    whole = trial.run(trial.module, [a.float() for a in args])
    _ensure_near(trial.case, y, whole, torch.float16, "pure")


def check_coordinates(case: Case) -> None:
    """A module that makes coordinates keeps them exact on large maps, also under autocast.

    At 112 pixels bfloat16 knows positions to half a pixel only.
    """
    if not makes_coordinates(case):
        return
    for site in _LONG:
        if case.entry.refusal(site, case.setting):
            continue
        trial = Trial(case, site)
        args = case.inputs(site, 1)
        whole = trial.run(trial.module, args)
        for dtype in _TOLERANCE:
            with torch.autocast("cpu", dtype=dtype):
                y = trial.run(trial.module, args)
            _ensure_near(case, y, whole, dtype, f"at {site} autocast")


def _ensure_near(case: Case, y: Tensor, whole: Tensor, dtype: torch.dtype, what: str) -> None:
    name = str(dtype).removeprefix("torch.")
    ensure(y.isfinite().all(), f"{what} {name} is not finite")
    off = relative_error(y, whole)
    near = case.entry.discontinuous is not None or off < _TOLERANCE[dtype]
    ensure(near, f"{what} {name} is {off:.0%} off float32")


def makes_coordinates(case: Case) -> bool:
    """Whether building or running the module computes real-valued positions or samples at them."""
    site = case.sites[0]
    with torch.no_grad(), _Watch() as watch:  # type: ignore[no-untyped-call]
        module = case.build(site)
        scramble(module)
        case.run(module.eval(), site, case.inputs(site, 1))
    return watch.found


class _Watch(TorchDispatchMode):
    """Notes whether a real-valued range is made or a map sampled between its pixels."""

    found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.rpartition("::")[2]
        if name in ("arange", "linspace"):
            self.found |= out.is_floating_point()
        self.found |= name.startswith(_SAMPLES_POINTS)
        return out
