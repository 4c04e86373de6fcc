"""``model.xml`` and ``model.bin``: the network as openvino's IR, read from its ONNX graph."""

from __future__ import annotations

import io
from pathlib import Path

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.onnx_format import graph
from plugnas.nas.export.pt2 import Program

FILE, WEIGHTS = "model.xml", "model.bin"


def require() -> None:
    """Raise ExportError where openvino is missing, before anything is trained."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        raise ExportError(
            "--format openvino needs openvino: pip install 'plugnas[onnx,openvino]'"
        ) from None


def write(program: Program, directory: Path, *, preprocessing: bool, opset: int) -> None:
    """Write model.xml and model.bin: float32, batch dynamic, sizes as in the program.

    Args:
        program: the exported program.
        directory: where the two files are written.
        preprocessing: whether it takes images as bytes.
        opset: version of the ONNX operators on the way.

    Raises:
        ExportError: an operator has no ONNX form, or openvino does not take it.
    """
    import openvino

    file = graph(program, preprocessing=preprocessing, opset=opset)
    try:
        model = openvino.Core().read_model(io.BytesIO(file))
        openvino.save_model(model, str(directory / FILE), compress_to_fp16=False)
    except Exception as error:  # openvino raises many kinds
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"openvino cannot take this network: {lines[-1]}; leave `openvino` out of --format"
        ) from error
