"""Static int8 of an ONNX graph by onnxruntime's quantizer, in the form that runtimes fuse (QDQ)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugnas.nas.graph.errors import ConversionError, first_line
from plugnas.nas.machine.output import unheard

Feed = Mapping[str, Any]
_WARNINGS, _ERRORS = 2, 3  # severities of onnxruntime's log, which is no log of Python


def quantised(file: bytes, samples: Sequence[Feed]) -> bytes:
    """Return a graph with int8 weights, by channel, and uint8 activations.

    Ranges are those of ``samples``, arrays by the names of the graph's inputs. Weights keep one bit
    in reserve, which processors without VNNI need so that no sum overflows. A norm that could not
    go into a convolution stays in float32: no runtime has it in int8.

    Raises:
        ConversionError: onnxruntime does not quantise the graph.
    """
    import onnx
    import onnxruntime
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> Feed | None:
            return next(self.left, None)

    graph = onnx.load_from_string(file)
    norms = [node.name for node in graph.graph.node if node.op_type == "BatchNormalization"]
    onnxruntime.set_default_logger_severity(_ERRORS)  # of the quantizer's own sessions
    try:
        with unheard(), tempfile.TemporaryDirectory(prefix="plugnas-int8-") as folder:
            path = Path(folder) / "int8.onnx"
            q.quantize_static(
                graph, path, Reader(), nodes_to_exclude=norms, quant_format=q.QuantFormat.QDQ,
                per_channel=True, reduce_range=True, activation_type=q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
            )  # fmt: skip
            return path.read_bytes()
    except Exception as error:  # the quantizer raises many kinds
        raise ConversionError(f"onnxruntime does not quantise it: {first_line(error)}") from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
