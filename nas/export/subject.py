"""What is exported: one trained architecture with all that its user must know of it."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from plugnas import modules
from plugnas.nas.export.classifier import Answer, Classifier
from plugnas.nas.export.hosted import Hosted
from plugnas.nas.tasks import Task
from plugnas.space import Part, parts_of
from plugnas.space.options import Choice
from plugnas.space.parameter import Token

_STRIDE = re.compile(r"(stem|stage\d+)\.stride").fullmatch


@dataclass(frozen=True)
class Provenance:
    """Where the weights come from, and what is known of how good they are.

    ``source`` is ``confirmation``, ``long recipe`` or ``proxy``; ``note`` says in a sentence how
    they were trained; ``value`` of ``metric`` is that of these weights, ``measured_on`` which;
    ``mean``, ``spread`` and ``n`` are over all seeds that were trained that way. ``recipe`` is
    what ``train.py`` follows.
    """

    source: str
    note: str
    seed: int
    metric: str
    value: float
    measured_on: str
    mean: float | None = None
    spread: float | None = None
    n: int = 1
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Validation:
    """The whole validation part: its images, uint8 (N, H, W, C), and what outputs on it are worth.

    ``score`` takes batches of outputs in the images' order, (b, classes) or, of maps, the classes
    (b, H, W), and returns the value of ``metric``.
    """

    images: Tensor
    metric: str
    score: Callable[[Iterable[Tensor]], float]


@dataclass(frozen=True)
class Subject:
    """A trained network in training form (eval mode, float32, on the CPU) and its facts.

    ``input_shape`` is (C, H, W) of the images it was trained on; ``images`` are real ones, uint8
    (N, H, W, C), by which the artefacts are checked; ``calibration`` training images by which int8
    ranges are found. ``costs`` are exact ones of the deploy form. ``host`` is what the modules are
    plugged into, None for a skeleton. ``dense`` says that every pixel is given a class,
    ``several`` that an image may have several labels. ``data`` is what the images are called;
    ``task`` has the loss by which the run trained.
    """

    id: str
    values: Mapping[str, Token]
    network: nn.Module
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: Tensor
    calibration: Tensor
    provenance: Provenance
    costs: Mapping[str, float] = field(default_factory=dict)
    labels: Tensor | None = None
    held_out: Tensor | None = None
    host: Hosted | None = None
    dense: bool = False
    several: bool = False
    data: str = ""
    validation: Validation | None = None
    task: Task | None = None

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the network, in order."""
        return parts_of(self.values)

    @property
    def purpose(self) -> str:
        """What the network is, in words."""
        if self.dense:
            return f"a network that gives each pixel one of {len(self.classes)} classes"
        if self.several:
            return (
                f"a network that says which of {len(self.classes)} labels an image has (those "
                "whose outputs are above 0)"
            )
        return f"an image classifier in {len(self.classes)} classes"

    @property
    def output_shape(self) -> str:
        """The shape of what comes out, in words."""
        _, height, width = self.input_shape
        return f"(B, {len(self.classes)}{f', {height}, {width}' if self.dense else ''})"

    @property
    def returns_dict(self) -> bool:
        """Whether the network itself returns a dict, of which the artefacts give the answer."""
        return self.host is not None and self.host.trace.output_text.startswith("a dict")

    @property
    def module_keys(self) -> set[str]:
        """The keys of the zoo that stand in the network."""
        return module_keys(self.parts) if self.host is None else self.host.module_keys

    @property
    def stride(self) -> int:
        """The total stride: how much smaller than the image the network's last map is."""
        if self.host is not None:
            return self.host.stride
        return math.prod(int(self.values[n]) for n in self.values if _STRIDE(n))

    def normalised(self, images: Tensor) -> Tensor:
        """Return uint8 images (B, H, W, C) as the bare network takes them: (B, C, H, W)."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return ((images / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()

    def served(self, *, deploy: bool, preprocessing: bool) -> nn.Module:
        """Return the model that the artefacts hold, frozen; ``network`` itself is untouched."""
        network = modules.fuse(self.network) if deploy else copy.deepcopy(self.network).eval()
        network = Answer(network).eval() if self.returns_dict else network
        model = Classifier(network, self.mean, self.std).eval() if preprocessing else network
        return model.requires_grad_(requires_grad=False)

    def inputs(self, images: Tensor, *, preprocessing: bool) -> Tensor:
        """Return uint8 images as the served model takes them."""
        return images if preprocessing else self.normalised(images)


def module_keys(parts: Iterable[Part]) -> set[str]:
    """Return the keys of the zoo that stand in the parts of a network."""
    choices = [v for part in parts for v in vars(part.spec).values()]
    return {choice.key for choice in choices if isinstance(choice, Choice)}
