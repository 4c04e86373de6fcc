"""A host at work: loaded, traced once, and built anew for every architecture."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import nn

from plugnas.space.host.classifier import replace_classifiers
from plugnas.space.host.errors import HostError
from plugnas.space.host.layers import width_out
from plugnas.space.host.records import HostTrace, Map
from plugnas.space.host.shadow import shadow_of
from plugnas.space.host.source import OWN_WEIGHTS, HostSource
from plugnas.space.host.trace import trace
from plugnas.space.host.weights import load_weights


@dataclass
class Host:
    """The user's network as a factory; what is built once is kept, and does not travel by pickle.

    ``classes`` is how many classes the network must tell apart; None leaves it as it is.
    """

    source: HostSource
    trace: HostTrace
    classes: int | None = None

    def __post_init__(self) -> None:
        self._template: nn.Module | None = None
        self._shadow: nn.Module | None = None

    @classmethod
    def load(cls, source: HostSource, input_shape: Map, classes: int | None = None) -> Host:
        """Build, load and trace a host.

        Args:
            source: where it comes from.
            input_shape: (C, H, W) of an image.
            classes: how many classes it must tell apart; its classifier is replaced where it has
                another number, and the trace's notes say so.

        Raises:
            HostError: whatever is wrong with the callable, the weights or the images.
        """
        light = source.build_light()
        found = trace(light, input_shape, name=source.model, digest=source.digest())
        if source.classifier is not None:
            found = _with_classifiers(found, light, source.classifier)
        self = cls(source, found, classes)
        notes = found.notes
        if source.weights is not None:
            self._template, said = self._loaded()
            notes = (*notes, *said)
        self.trace = msgspec.structs.replace(found, notes=(*notes, *self._classes_note()))
        return self

    def network(self) -> nn.Module:
        """Return the host, ready to be plugged: its weights loaded, its classifier fitted.

        Under ``torch.device("meta")`` without memory for weights. A host without weights begins
        with fresh ones at every call, a replaced classifier always does.
        """
        if torch.get_default_device().type == "meta":
            if self._shadow is None:
                self._shadow = self.source.build_light()
            network = shadow_of(self._shadow)
        elif self.source.weights is None:
            network = self.source.build()
        else:
            if self._template is None:
                self._template, _ = self._loaded()
            network = copy.deepcopy(self._template)
        if self.refits and self.classes is not None:
            replace_classifiers(network, self.trace.classifiers, self.classes)
        return network

    @property
    def refits(self) -> bool:
        """Whether the classifier is replaced for another number of classes."""
        return self.classes is not None and self.trace.outputs not in (None, self.classes)

    def _loaded(self) -> tuple[nn.Module, tuple[str, ...]]:
        file = self.source.weights_file
        network = self.source.build()
        if file is None or self.source.weights == OWN_WEIGHTS:
            return network, ()
        return network, load_weights(network, file, self.trace.classifiers)

    def _classes_note(self) -> tuple[str, ...]:
        if not self.refits:
            return ()
        paths = "`, `".join(self.trace.classifiers)
        return (
            f"the classifier `{paths}` makes {self.trace.outputs} classes and {self.classes} are "
            "needed: it is replaced by a fresh one",
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the built networks out: they are built again where they arrive."""
        return {**vars(self), "_template": None, "_shadow": None}


def _with_classifiers(found: HostTrace, model: nn.Module, paths: tuple[str, ...]) -> HostTrace:
    widths = set()
    for path in paths:
        try:
            widths.add(width_out(model.get_submodule(path)))
        except AttributeError:
            raise HostError(f"space.host.classifier: {found.name} has no `{path}`") from None
    if len(widths) != 1 or None in widths:
        raise HostError(
            f"space.host.classifier: {', '.join(paths)} must be linear layers or convolutions with "
            "the same number of outputs"
        )
    return msgspec.structs.replace(found, classifiers=paths, outputs=widths.pop())
