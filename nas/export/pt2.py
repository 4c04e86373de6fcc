"""``model.pt2``: the network as a graph of torch operators, by ``torch.export``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.export.errors import ExportError

FILE = "model.pt2"


@dataclass(frozen=True)
class Program:
    """An exported program, and the step in which its height and width may vary (None: fixed)."""

    exported: torch.export.ExportedProgram
    step: int | None


def trace(model: nn.Module, example: Tensor, stride: int | None, *, channels_last: bool) -> Program:
    """Export a model with a dynamic batch, and with dynamic height and width where it allows.

    Sizes vary in multiples of the network's total ``stride`` (None: they are fixed); whether the
    result is right at another size is tried out. ``example`` is a batch of at least 2;
    ``channels_last`` says that it is (B, H, W, C).

    Args:
        model: the network, in eval mode.
        example: a batch of at least 2 images.
        stride: the network's total stride, by which sizes vary; None: they are fixed.
        channels_last: whether the example is (B, H, W, C).

    Raises:
        ExportError: torch.export cannot take the model.
    """
    first = 1 if channels_last else 2
    sizes = example.shape[first : first + 2]
    if stride is not None and all(size % stride == 0 and size > stride for size in sizes):
        rows, columns = (torch.export.Dim(name, min=2) for name in ("rows", "columns"))
        free = {first: stride * rows, first + 1: stride * columns} if stride > 1 else {}
        free = free or {first: rows, first + 1: columns}
        try:
            exported = _export(model, example, free)
            if _holds(exported, model, _grown(example, first, stride)):
                return Program(exported, stride)
        except Exception:  # noqa: BLE001 - whatever torch cannot prove is fixed below
            pass
    try:
        return Program(_export(model, example, {}), None)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ExportError(
            f"torch.export cannot take this network: {reason[0] if reason else type(error)}; "
            "leave `pt2` out of --format"
        ) from error


def write(program: Program, directory: Path) -> None:
    """Save the program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program.exported, directory / FILE)


def _export(
    model: nn.Module, example: Tensor, free: dict[int, Any]
) -> torch.export.ExportedProgram:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.export.export(
            model, (example,), dynamic_shapes=({0: torch.export.Dim("batch"), **free},)
        )


def _grown(example: Tensor, first: int, stride: int) -> Tensor:
    """Return one image of another size: a step taller, two steps wider."""
    shape = [1, *example.shape[1:]]
    shape[first] += stride
    shape[first + 1] += 2 * stride
    generator = torch.Generator().manual_seed(0)
    if example.dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


@torch.no_grad()
def _holds(exported: torch.export.ExportedProgram, model: nn.Module, x: Tensor) -> bool:
    expected, found = model(x), exported.module()(x)
    close = torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    return bool(torch.isfinite(expected).all()) and close
