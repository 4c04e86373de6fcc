"""``model.onnx``: the exported program as an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.pt2 import Program
from plugnas.nas.graph.errors import ConversionError
from plugnas.nas.graph.onnx_graph import OPSET, OPSETS, convert

FILE = "model.onnx"


def check_opset(opset: int) -> None:
    """Refuse a version of the ONNX operators that cannot be written.

    Raises:
        ExportError: the version is none of ``OPSETS``.
    """
    if opset not in OPSETS:
        raise ExportError(
            f"--opset is {OPSETS[0]} to {OPSETS[-1]}, the versions that torch's exporter writes, "
            f"not {opset}; leave it out for {OPSET}"
        )


def write(program: Program, directory: Path, *, preprocessing: bool, opset: int = OPSET) -> None:
    """Write model.onnx.

    Args:
        program: the exported program.
        directory: where model.onnx is written.
        preprocessing: whether it takes images as bytes.
        opset: version of the ONNX operators.

    Raises:
        ExportError: an operator has no ONNX form.
    """
    (directory / FILE).write_bytes(graph(program, preprocessing=preprocessing, opset=opset))


def graph(program: Program, *, preprocessing: bool, opset: int = OPSET) -> bytes:
    """Return the ONNX graph: this opset, batch dynamic, sizes as in the program.

    Args:
        program: the exported program.
        preprocessing: whether it takes images as bytes.
        opset: version of the ONNX operators.

    Raises:
        ExportError: an operator has no ONNX form.
    """
    try:
        output = "probabilities" if preprocessing else "logits"
        model = convert(program.exported, ["images"], [output], opset)
    except ConversionError as error:
        raise ExportError(
            f"ONNX cannot take this network: {error}; leave `onnx` out of --format"
        ) from error
    written = [o.version for o in model.opset_import if o.domain == ""]
    if written != [opset]:
        raise ExportError(
            f"--opset {opset} was asked for, but the exporter can write this network only in "
            f"opset {written[0]}; give --opset {written[0]}"
        )
    _name_dimensions(model)
    file: bytes = model.SerializeToString()
    return file


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
