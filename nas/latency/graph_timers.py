"""Forwards timed on exported graphs: what ``nas export`` writes, run by onnxruntime or openvino."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from plugnas.nas.graph.errors import ConversionError, first_line
from plugnas.nas.graph.onnx_graph import feed, graphs
from plugnas.nas.latency.conditions import Conditions
from plugnas.nas.latency.errors import LatencyError
from plugnas.nas.latency.protocol import Timer, forward_timer, onnx_session

_EXAMPLE = 3  # images by which a batch of any size is traced
Wanted = tuple[nn.Module, Sequence[tuple[int, ...]], str]


def graph_timers(wanted: Sequence[Wanted], conditions: Conditions) -> list[Timer]:
    """Return a timer of each (module, shapes of one sample of each input, name).

    A sample is one run on inputs that lie in memory, with the threads of the conditions.

    Raises:
        LatencyError: the runtime or the exporter is missing, or it does not take a module.
    """
    files = graph_files(wanted, conditions)
    fed = [feed([torch.randn(conditions.batch, *s) for s in shapes]) for _, shapes, _ in wanted]
    if (conditions.runtime, conditions.dtype) == ("openvino", "int8"):
        _try_in_openvino(files, fed, wanted)
    found = []
    for file, inputs, (_, _, name) in zip(files, fed, wanted, strict=True):
        try:
            found.append(_timer(file, inputs, conditions))
        except Exception as error:  # each runtime raises its own kinds
            raise refused(name, conditions.runtime, error) from error
    return found


def graph_files(wanted: Sequence[Wanted], conditions: Conditions) -> list[bytes]:
    """Return the ONNX file of each module as ``graph_timers`` times it.

    Batch dynamic, sizes fixed, as ``nas export --format onnx --fixed-size`` writes them; with the
    dtype int8 quantised as its ``model_int8.onnx`` is, here by ranges of random numbers, on which
    no latency depends.

    Raises:
        LatencyError: the exporter is missing, or a module has no ONNX form.
    """
    if not wanted:
        return []
    examples = [[torch.randn(_EXAMPLE, *s) for s in shapes] for _, shapes, _ in wanted]
    try:
        files = graphs([module.eval().float() for module, _, _ in wanted], examples)
    except ConversionError as error:
        number, colon, reason = str(error).partition(": ")
        if not (colon and number.isdigit()):
            raise LatencyError(
                f"latency in {conditions.runtime} needs an ONNX exporter: {error}"
            ) from None
        raise refused(wanted[int(number)][2], conditions.runtime, reason) from error
    if conditions.dtype != "int8":
        return files
    from plugnas.nas.graph.int8_onnx import quantised

    found = []
    for file, own, (_, _, name) in zip(files, examples, wanted, strict=True):
        try:
            found.append(quantised(file, [feed(own)]))
        except ConversionError as error:
            raise refused(name, "int8", error) from error
    return found


def refused(name: str, runtime: str, reason: object) -> LatencyError:
    """Return the error that a runtime does not take a module, for a reason."""
    return LatencyError(
        f"`{name}` cannot be timed in {runtime}, which does not take it ({first_line(reason)}); "
        "leave its module out, or measure with `runtime: torch`"
    )


def _try_in_openvino(
    files: Sequence[bytes], fed: Sequence[dict[str, Any]], wanted: Sequence[Wanted]
) -> None:
    """Raise LatencyError where openvino would end this process instead of raising an error."""
    from plugnas.nas.latency.openvino_trial import first_fatal

    fatal = first_fatal(files, fed)
    if fatal is not None:
        raise refused(wanted[fatal][2], "openvino", "openvino itself crashes on its int8 graph")


def _timer(file: bytes, inputs: dict[str, Any], conditions: Conditions) -> Timer:
    if conditions.runtime == "openvino":
        from plugnas.nas.latency.openvino_timers import openvino_forward

        return forward_timer(
            openvino_forward(file, inputs, conditions.threads, conditions.dtype), inputs
        )
    session = onnx_session(file, conditions.threads)
    return forward_timer(lambda given: session.run(None, given), inputs)
