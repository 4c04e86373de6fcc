"""``model.pte``: the network for executorch on phones, through XNNPACK, one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from plugnas.nas.export.errors import ExportError
from plugnas.nas.machine.output import unheard

FILE = "model.pte"


def require() -> None:
    """Raise ExportError where executorch is missing, before anything is trained."""
    try:
        with unheard():
            import executorch.exir  # noqa: F401
    except ImportError as error:
        raise ExportError(
            f"--format executorch needs executorch ({error}): pip install 'plugnas[executorch]'"
        ) from None


def write(model: nn.Module, example: Tensor, directory: Path) -> None:
    """Write model.pte; arguments are those of ``program``.

    Raises:
        ExportError: an operator has no form in executorch.
    """
    (directory / FILE).write_bytes(program(model, [example[:1]]))


def program(model: nn.Module, inputs: Sequence[Tensor]) -> bytes:
    """Return a program: float32, inputs of fixed shapes; XNNPACK computes what it knows.

    Args:
        model: the network, in eval mode.
        inputs: one sample of each.

    Raises:
        ExportError: an operator has no form in executorch.
    """
    with unheard():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
    try:
        with unheard(), torch.no_grad():
            exported = torch.export.export(model, tuple(map(_in_order, inputs)))
            edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
            made: bytes = bytes(edge.to_executorch().buffer)
            return made
    except Exception as error:  # executorch raises many kinds
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"executorch cannot take this network: {lines[0]}; leave `executorch` out of --format"
        ) from error


def run(file: bytes, inputs: Sequence[Tensor]) -> Tensor:
    """Return the output of a program for one sample of each input."""
    from executorch.runtime import Runtime

    rows = list(map(_in_order, inputs))
    output: Tensor = Runtime.get().load_program(file).load_method("forward").execute(rows)[0]
    return output.clone()


def _in_order(x: Tensor) -> Tensor:
    """Return a copy with its axes in order: of one channel they may lie as in channels_last."""
    return x.clone(memory_format=torch.contiguous_format)
