"""Checks of the values: shape, purity, determinism, round trips, devices and batches."""

from __future__ import annotations

import torch

from plugnas.modules.testing._case import Trial
from plugnas.modules.testing._failures import ensure, ensure_close


def check_output(trial: Trial) -> None:
    """Shape, dtype and finiteness; inputs untouched; the same again in eval mode."""
    kept = [a.clone() for a in trial.args]
    y = trial.output
    ensure(
        tuple(y.shape) == trial.shape(3),
        f"the output is {tuple(y.shape)} where the slot promises {trial.shape(3)}",
    )
    ensure(y.dtype == torch.float32, f"float32 went in, {y.dtype} came out")
    ensure(y.isfinite().all(), "the output is not finite")
    for before, after in zip(kept, trial.args, strict=True):
        ensure(torch.equal(before, after), "the module changed its input in place")
    again = trial.run(trial.module, trial.args)
    ensure(torch.equal(y, again), "two calls in eval mode differ")


def check_batch(trial: Trial) -> None:
    """A sample's output does not depend on the others, unless declared; a batch may be empty."""
    if trial.case.entry.batch_dependent is None:
        one = trial.run(trial.module, [a[:1] for a in trial.args])
        ensure_close(one, trial.output[:1], "a sample alone differs from the same in a batch")
    none = trial.run(trial.module, [a[:0] for a in trial.args])
    ensure(tuple(none.shape) == trial.shape(0), f"an empty batch gives {tuple(none.shape)}")


def check_copies(trial: Trial) -> None:
    """``state_dict`` carries all; a deep copy in float64 computes the same."""
    fresh = trial.case.build(trial.site, seed=5).eval()
    fresh.load_state_dict(trial.module.state_dict(), strict=True)
    carried = torch.equal(trial.run(fresh, trial.args), trial.output)
    ensure(carried, "a module with the same state_dict differs: it does not carry all")
    double = trial.run(trial.copy().double(), [a.double() for a in trial.args])
    ensure(double.dtype == torch.float64, f"float64 went in, {double.dtype} came out")
    ensure_close(double.float(), trial.output, "float64 differs from float32", tolerance=1e-4)


def check_channels_last(trial: Trial) -> None:
    """Inputs and weights in channels_last give the same."""
    if trial.args[0].dim() == 4:
        layout = torch.channels_last
        args = [a.contiguous(memory_format=layout) if a.dim() == 4 else a for a in trial.args]
        y = trial.run(trial.copy().to(memory_format=layout), args)
        ensure_close(y, trial.output, "channels_last differs")


def check_meta(trial: Trial) -> None:
    """Built and run on the meta device, the output has the promised shape."""
    with torch.device("meta"):
        module = trial.case.build(trial.site).eval()
        args = trial.case.inputs(trial.site, 2, device="meta")
    y = trial.run(module, args)
    ensure(y.device.type == "meta", f"on the meta device the output is on {y.device}")
    shape = trial.shape(2, module)
    ensure(tuple(y.shape) == shape, f"on the meta device the output is {tuple(y.shape)}")
