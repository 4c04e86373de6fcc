"""Files of a network in int8 beside those in float32: of torch, of ONNX, and of executorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from plugnas.nas.export import executorch_format, quantize
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.quantize import Rounded
from plugnas.nas.graph import executorch_program
from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.int8_onnx import quantised

ONNX = "model_int8.onnx"
EXECUTORCH = executorch_format.INT8
FILES = (quantize.FILE, ONNX, EXECUTORCH)
FORMATS = ("pt2", "onnx", "executorch")
"""The formats of graphs that have a file in int8."""
_BATCH = 64


def require(formats: Collection[str]) -> None:
    """Raise ExportError where a library is missing, before anything is trained."""
    if "pt2" in formats:
        quantize.require()
    if "onnx" in formats and importlib.util.find_spec("onnxruntime") is None:
        raise ExportError(f"{ONNX} is made by onnxruntime: pip install 'plugnas[onnx]'")


def of_onnx(file: bytes, calibration: Tensor, directory: Path) -> Rounded:
    """Write model_int8.onnx: the graph of model.onnx with weights and activations in int8.

    Args:
        file: the graph of model.onnx.
        calibration: inputs by which ranges are found.
        directory: where the file is written.

    Raises:
        ExportError: onnxruntime does not quantise the graph.
    """
    from plugnas.nas.latency.protocol import onnx_session

    session = onnx_session(file, 1)
    entry = session.get_inputs()[0].name
    try:
        made = quantised(file, [{entry: x.numpy()} for x in calibration.split(_BATCH)])
    except ConversionError as error:
        raise ExportError(f"{error}; export it without --quantize") from error
    (directory / ONNX).write_bytes(made)
    session = onnx_session(made, 1)
    return Rounded(
        ONNX,
        lambda x: torch.from_numpy(session.run(None, {entry: x.numpy()})[0]),
        f"`{ONNX}` is the graph of `model.onnx` with int8 weights by channel and uint8 "
        "activations (static, with the QDQ operators that runtimes fuse), with ranges found on "
        f"{len(calibration)} training images.",
    )


def of_executorch(model: torch.nn.Module, calibration: Tensor, directory: Path) -> Rounded:
    """Write model_int8.pte: the network for executorch, in the int8 of XNNPACK.

    Args:
        model: the network, in eval mode.
        calibration: inputs by which ranges are found.
        directory: where the file is written.

    Raises:
        ExportError: executorch does not take the network in int8.
    """
    try:
        images = [[x] for x in calibration.split(1)]
        made = executorch_program.program(model, images[0], images)
    except ConversionError as error:
        raise ExportError(
            f"executorch does not take it in int8 ({error}); export it without --quantize"
        ) from error
    (directory / EXECUTORCH).write_bytes(made)
    run = executorch_program.image_by_image(made)
    return Rounded(
        EXECUTORCH,
        lambda x: run([x]),
        f"`{EXECUTORCH}` is the program of `model.pte` in int8 (static, weights by channel, of "
        f"what XNNPACK computes in int8), with ranges found on {len(calibration)} training images.",
    )


__all__ = [
    "EXECUTORCH",
    "FILES",
    "FORMATS",
    "ONNX",
    "Rounded",
    "of_executorch",
    "of_onnx",
    "require",
]
