"""``model.tflite``: the network for LiteRT on phones and boards, one image at a time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from plugnas.nas.export.errors import ExportError
from plugnas.nas.graph.errors import first_line
from plugnas.nas.machine.output import unheard

FILE = "model.tflite"


def require() -> None:
    """Raise ExportError where the converter or the runtime is missing."""
    missing = [n for n in ("litert_torch", "ai_edge_litert") if importlib.util.find_spec(n) is None]
    if missing:
        raise ExportError(
            f"--format litert needs {' and '.join(missing)}: pip install 'plugnas[litert]' (the "
            f"converter may ask for an older torch than {torch.__version__})"
        )


def write(model: nn.Module, example: Tensor, directory: Path) -> None:
    """Write model.tflite: float32, one image at a time.

    Args:
        model: the network, in eval mode.
        example: images, of which the first is taken.
        directory: where model.tflite is written.

    Raises:
        ExportError: an operator has no form in LiteRT.
    """
    try:
        with unheard(), torch.no_grad():
            import litert_torch

            litert_torch.convert(model, (example[:1],)).export(str(directory / FILE))
    except Exception as error:  # the converter raises many kinds
        raise ExportError(
            f"LiteRT cannot take this network: {first_line(error)}; leave `litert` out of --format"
        ) from error
