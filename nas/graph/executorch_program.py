"""Programs of executorch: a network through XNNPACK, for inputs of fixed shapes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.graph.errors import ConversionError, first_line
from plugnas.nas.machine.output import unheard


def need_library() -> None:
    """Raise ConversionError where executorch is missing."""
    try:
        with unheard():
            import executorch.exir  # noqa: F401
    except ImportError as error:
        raise ConversionError(f"{error}: pip install 'plugnas[executorch]'") from None


def program(
    model: nn.Module, inputs: Sequence[Tensor], calibration: Sequence[Sequence[Tensor]] = ()
) -> bytes:
    """Return a program for inputs of these shapes; XNNPACK computes what it knows.

    Args:
        model: the network, in eval mode, float32.
        inputs: as large as those that it will get.
        calibration: inputs by whose ranges it is quantised (static int8, weights by channel); none:
            it is not.

    Raises:
        ConversionError: an operator has no form in executorch, or executorch is missing.
    """
    need_library()
    with unheard():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
    given = tuple(map(in_order, inputs))
    try:
        with unheard(), torch.no_grad():
            exported = torch.export.export(model, given)
            if calibration:
                quantised = _quantised(exported.module(), calibration)
                exported = torch.export.export(quantised, given)
            edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
            made: bytes = bytes(edge.to_executorch().buffer)
            return made
    except Exception as error:  # executorch raises many kinds
        raise ConversionError(first_line(error)) from error


def _quantised(graph: Any, calibration: Sequence[Sequence[Tensor]]) -> Any:
    """Return the graph with int8 weights and activations, in the form that XNNPACK reads."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack
    from torchao.quantization.pt2e import quantize_pt2e

    quantizer = xnnpack.XNNPACKQuantizer()
    quantizer.set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = quantize_pt2e.prepare_pt2e(graph, quantizer)
        for inputs in calibration:
            prepared(*map(in_order, inputs))
        return quantize_pt2e.convert_pt2e(prepared)


def loaded(file: bytes) -> Callable[[Sequence[Tensor]], Tensor]:
    """Return what runs a program once, on inputs whose axes are ``in_order``."""
    with unheard():
        from executorch.runtime import Runtime

    whole = Runtime.get().load_program(file)
    method = whole.load_method("forward")

    def run(inputs: Sequence[Tensor], _alive: Any = whole) -> Tensor:
        # a method reads its program's memory, but does not keep it
        output: Tensor = method.execute(inputs)[0]
        return output

    return run


def image_by_image(file: bytes) -> Callable[[Sequence[Tensor]], Tensor]:
    """Return what runs a program that was made for one image on each image of a batch."""
    run = loaded(file)

    def rows(inputs: Sequence[Tensor]) -> Tensor:
        images = zip(*(x.split(1) for x in inputs), strict=True)
        return torch.cat([run(list(map(in_order, image))).clone() for image in images])

    return rows


def use_threads(threads: int) -> None:
    """Let programs that are loaded from now on run on so many threads."""
    with unheard():
        from executorch.extension.pybindings import portable_lib

    if portable_lib._threadpool_get_thread_count() != threads:
        portable_lib._unsafe_reset_threadpool(threads)


def in_order(x: Tensor) -> Tensor:
    """Return a copy with its axes in order: of one channel they may lie as in channels_last."""
    return x.clone(memory_format=torch.contiguous_format)
