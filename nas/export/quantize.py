"""``model_int8.pt2``: static int8 by torchao's PT2E, calibrated on training images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Subject
from plugnas.nas.graph.errors import first_line

FILE = "model_int8.pt2"
TOLERANCE = 0.02  # of the largest output: the last bit of a rounding may fall either way
_LAYERS = ("conv1d", "conv2d", "conv3d", "linear")
_BATCH = 64


@dataclass(frozen=True)
class Rounded:
    """A file of a network in int8: what it computes, and what README.md says of it."""

    file: str
    run: Callable[[Tensor], Any]
    sentence: str


@dataclass(frozen=True)
class _Quantised:
    """An int8 model that was written: its graph, and what the quantisation cost.

    ``quantised`` of ``layers`` convolutions and linear maps have int8 weights; accuracies (0..1)
    of both models are on the same ``images`` held-out ones, None without labels.
    """

    quantised: int
    layers: int
    images: int = 0
    accuracy: float | None = None
    accuracy_float: float | None = None

    def sentence(self) -> str:
        """What README.md says of it."""
        text = (
            f"`{FILE}` holds int8 weights and activations in {self.quantised} of {self.layers} "
            "convolutions and linear maps, with ranges found on training images; "
            f"{_rest(self.layers - self.quantised)} stay in float32"
        )
        if self.accuracy is not None and self.accuracy_float is not None:
            text += (
                f". It has {100 * self.accuracy:.2f} % on {self.images} held-out images, where the "
                f"float model has {100 * self.accuracy_float:.2f} %"
            )
        return (
            text + ". As loaded it computes int8 by quantising and dequantising around float "
            "operators; a backend that fuses these is what makes it faster."
        )


def _rest(layers: int) -> str:
    """Return what int8 leaves alone, in words."""
    if layers == 0:
        return "all other operators (activations, norms, attention's arithmetic)"
    one = "the other one and" if layers == 1 else f"the other {layers} and"
    return f"{one} all other operators (activations, norms, attention's arithmetic)"


def require() -> None:
    """Raise ExportError where torchao is missing, before anything is trained."""
    _torchao()


def write(
    model: nn.Module, subject: Subject, inputs: Callable[[Tensor], Tensor], directory: Path
) -> Rounded:
    """Quantise a deploy-form model and save its program; ``inputs`` prepares uint8 images.

    Args:
        model: the deploy form.
        subject: the network and its facts.
        inputs: prepares uint8 images.
        directory: where model_int8.pt2 is written.

    Raises:
        ExportError: torchao is missing, or an operator does not allow it.
    """
    prepare, convert, quantizer = _torchao()
    example = inputs(subject.images[:3])
    batch = ({0: torch.export.Dim("batch")},)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            graph = torch.export.export(model, (example,), dynamic_shapes=batch).module()
            prepared = prepare(graph, quantizer)
            for images in subject.calibration.split(_BATCH):
                prepared(inputs(images))
            converted = convert(prepared)
            program = torch.export.export(converted, (example,), dynamic_shapes=batch)
            torch.export.save(program, directory / FILE)
    except Exception as error:
        raise ExportError(
            f"int8 cannot take {subject.id}: {first_line(error)}; export it without --quantize"
        ) from error
    run = program.module()
    weights = [n for n in program.graph.nodes if "dequantize_per_channel" in str(n.target)]
    names = [str(n.target).split(".")[1:2] for n in program.graph.nodes]
    layers = [name for name in names if name and name[0] in _LAYERS]
    if not weights:
        raise ExportError(
            f"int8 cannot take {subject.id}: none of its {len(layers)} convolutions and linear "
            f"maps has a weight of its own to quantise, by torchao under torch {torch.__version__} "
            "(it finds none at all under 2.11); export it without --quantize"
        )
    made = _Quantised(len(weights), len(layers))
    if subject.held_out is not None and subject.labels is not None:
        right = [_accuracy(m, inputs(subject.held_out), subject.labels) for m in (run, model)]
        made = _Quantised(len(weights), len(layers), len(subject.labels), *right)
    return Rounded(FILE, run, made.sentence())


@torch.no_grad()
def _accuracy(model: Any, x: Tensor, labels: Tensor) -> float:
    found = [model(part).argmax(1) for part in x.split(_BATCH)]
    return float((torch.cat(found) == labels).float().mean())


def _torchao() -> tuple[Any, Any, Any]:
    """Return torchao's prepare and convert, and its quantizer for x86 processors."""
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # advice to torchao itself
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchao.quantization.pt2e import quantize_pt2e
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
    except ImportError as error:
        raise ExportError(
            f"--quantize int8 needs torchao ({error}): pip install 'plugnas[int8]'"
        ) from None
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    return quantize_pt2e.prepare_pt2e, quantize_pt2e.convert_pt2e, quantizer
