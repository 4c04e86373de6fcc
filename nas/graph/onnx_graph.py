"""ONNX graphs: of an exported program, and of many small modules at once."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from plugnas.nas.graph.errors import ConversionError, first_line
from plugnas.nas.machine.output import unheard

OPSET = 20
OPSETS = range(18, 24)  # below, torch's exporter must convert back; above, it has no operators
TOGETHER = 24  # modules that become one program: the exporter's own start takes most of a second


def convert(
    exported: torch.export.ExportedProgram,
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int = OPSET,
) -> Any:
    """Return the ``onnx.ModelProto`` of an exported program, made by torch's own exporter.

    Args:
        exported: the program.
        inputs: names of the graph's inputs, in order.
        outputs: names of its outputs, in order.
        opset: version of the ONNX operators, one of ``OPSETS``.

    Raises:
        ConversionError: an operator has no ONNX form, or the libraries are missing.
    """
    _need_libraries()
    try:
        with unheard():
            made = torch.onnx.export(
                exported, dynamo=True, opset_version=opset, verbose=False,
                input_names=list(inputs), output_names=list(outputs),
            )  # fmt: skip
    except Exception as error:  # the exporter raises many kinds
        raise ConversionError(_reason(error)) from error
    if made is None:
        raise ConversionError("torch.onnx.export returned no program")
    return made.model_proto


def graphs(members: Sequence[nn.Module], examples: Sequence[Sequence[Tensor]]) -> list[bytes]:
    """Return each module as an ONNX file of its own: batch dynamic, sizes fixed, one output.

    Inputs are called ``x0``, ``x1``, ... in the file of each module. ``examples`` are their inputs
    with a batch of at least 2. ``TOGETHER`` modules are exported as one program and then cut
    apart; where that fails, one by one.

    Raises:
        ConversionError: a module cannot be exported; the text begins with its number.
    """
    _need_libraries()
    found: list[bytes] = []
    for first in range(0, len(members), TOGETHER):
        group, inputs = members[first : first + TOGETHER], examples[first : first + TOGETHER]
        try:
            found += _apart(group, inputs)
        except ConversionError:
            for number, (member, own) in enumerate(zip(group, inputs, strict=True), first):
                try:
                    found += _apart([member], [own])
                except ConversionError as error:
                    raise ConversionError(f"{number}: {error}") from error
    return found


class _SideBySide(nn.Module):
    """Modules that have nothing to do with each other, as one module with many outputs."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: list[list[Tensor]]) -> list[Tensor]:
        return [member(*own) for member, own in zip(self.members, inputs, strict=True)]


def _apart(members: Sequence[nn.Module], examples: Sequence[Sequence[Tensor]]) -> list[bytes]:
    from onnx.utils import Extractor

    names = [[f"m{i}x{j}" for j in range(len(own))] for i, own in enumerate(examples)]
    outputs = [f"m{i}y" for i in range(len(members))]
    batch = torch.export.Dim("batch")
    shapes = [[{0: batch} for _ in own] for own in examples]
    side = _SideBySide(members).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            inputs = [list(own) for own in examples]
            exported = torch.export.export(side, (inputs,), dynamic_shapes=(shapes,))
    except Exception as error:  # whatever torch cannot trace
        raise ConversionError(_reason(error)) from error
    whole = convert(exported, [name for own in names for name in own], outputs)
    cut = Extractor(whole)
    return [
        _with_plain_names(cut.extract_model(own, [output]), own)
        for own, output in zip(names, outputs, strict=True)
    ]


def _with_plain_names(model: Any, inputs: Sequence[str]) -> bytes:
    """Call the inputs x0, x1, ... wherever they stand, and serialise."""
    plain = {name: f"x{j}" for j, name in enumerate(inputs)}
    for value in model.graph.input:
        value.name = plain.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [plain.get(name, name) for name in node.input]
    serialised: bytes = model.SerializeToString()
    return serialised


def feed(inputs: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    """Return what a session of such a graph takes: its inputs by name, in the same memory."""
    return {f"x{j}": x.numpy() for j, x in enumerate(inputs)}


def _need_libraries() -> None:
    missing = [n for n in ("onnx", "onnxscript") if importlib.util.find_spec(n) is None]
    if missing:
        raise ConversionError(f"{' and '.join(missing)} not installed: pip install 'plugnas[onnx]'")


def _reason(error: BaseException) -> str:
    """Return the first line of the first of a chain of errors: torch wraps it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)
