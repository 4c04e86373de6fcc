"""``model.onnx``: the exported program as an ONNX graph, by torch's own exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.pt2 import Program

FILE = "model.onnx"
OPSET = 20


def write(program: Program, directory: Path, *, preprocessing: bool) -> None:
    """Write model.onnx: one file, opset ``OPSET``, batch dynamic, sizes as in the program.

    Raises:
        ExportError: an operator has no ONNX form.
    """
    try:
        with _quiet():
            made = torch.onnx.export(
                program.exported, dynamo=True, opset_version=OPSET, verbose=False,
                input_names=["images"],
                output_names=["probabilities" if preprocessing else "logits"],
            )  # fmt: skip
    except Exception as error:  # the exporter raises many kinds
        reason = str(_root(error)).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"ONNX cannot take this network: {reason[0]}; leave `onnx` out of --format"
        ) from error
    model: Any = made.model_proto if made is not None else None
    _name_dimensions(model)
    (directory / FILE).write_bytes(model.SerializeToString())


def _root(error: BaseException) -> BaseException:
    """Return the first of a chain of errors: torch wraps it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _name_dimensions(model: Any) -> None:
    """Call the dynamic dimensions batch, height and width, where torch numbers its symbols."""
    graph = model.graph
    shape = graph.input[0].type.tensor_type.shape.dim
    free = [d.dim_param for d in shape if d.dim_param]
    names = dict(zip(free, ("batch", "height", "width"), strict=False))
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in names:
                dimension.dim_param = names[dimension.dim_param]


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep the exporter's progress and advice to itself; what matters is checked afterwards."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
