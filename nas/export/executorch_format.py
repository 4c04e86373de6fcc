"""``model.pte``: the network for executorch on phones, through XNNPACK, one image at a time."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from plugnas.nas.export.errors import ExportError
from plugnas.nas.graph import executorch_program
from plugnas.nas.graph.errors import ConversionError

FILE, INT8 = "model.pte", "model_int8.pte"


def require() -> None:
    """Raise ExportError where executorch is missing, before anything is trained."""
    try:
        executorch_program.need_library()
    except ConversionError as error:
        raise ExportError(f"--format executorch needs executorch ({error})") from None


def write(model: nn.Module, example: Tensor, directory: Path) -> None:
    """Write model.pte: float32, one image at a time.

    Args:
        model: the network, in eval mode.
        example: images, of which the first is taken.
        directory: where model.pte is written.

    Raises:
        ExportError: an operator has no form in executorch.
    """
    try:
        made = executorch_program.program(model, [example[:1]])
    except ConversionError as error:
        raise ExportError(
            f"executorch cannot take this network: {error}; leave `executorch` out of --format"
        ) from error
    (directory / FILE).write_bytes(made)
