"""Forwards in openvino, on the graph that ``nas export --format openvino`` reads too."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

from plugnas.nas.latency.errors import LatencyError


@functools.cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def check_bfloat16() -> None:
    """Raise LatencyError where the processor has no arithmetic in bfloat16."""
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise LatencyError(
            "this processor has no arithmetic in bfloat16, so openvino would compute in float32; "
            "take `dtype: float32` or int8"
        )


def openvino_forward(
    file: bytes, inputs: dict[str, Any], threads: int = 1, dtype: str = "float32"
) -> Callable[[dict[str, Any]], Any]:
    """Compile an ONNX graph for inputs of these shapes; return what runs it once, waiting.

    Args:
        file: the ONNX graph.
        inputs: arrays by the names of the graph's inputs; they are read where they lie.
        threads: of the processor.
        dtype: ``bfloat16`` where the processor has it; all else is computed as the graph says.
    """
    core = _core()
    model = core.read_model(io.BytesIO(file))
    model.reshape({name: list(x.shape) for name, x in inputs.items()})
    kind = "bf16" if dtype == "bfloat16" else "f32"
    options = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": kind, "ENABLE_CPU_PINNING": False,
    }  # fmt: skip
    request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda given: request.infer(given, share_inputs=True, share_outputs=True)
