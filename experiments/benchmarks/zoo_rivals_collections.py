"""Pairs for ``zoo.py`` with public collections of plug-in modules, where these are installed.

    pip install --no-deps --target rivals fightingcv-attention segmentation-models-pytorch
    PYTHONPATH=rivals:. python experiments/benchmarks/zoo.py

Only such of their classes stand here as do the same work as ours at the default site; where theirs
lacks what the paper has, ours is set to their form.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from experiments.benchmarks.zoo_rivals import Pair
from plugnas import modules

SIDE = 32
FIGHTING = "fightingcv_attention"
SEGMENTATION = "segmentation_models_pytorch"


def _ours(key: str, *args: int, **settings: Any) -> nn.Module:
    return modules.get(key).cls(*args, **settings)


def _theirs(place: str, *args: Any, **settings: Any) -> nn.Module:
    """A class of a collection by ``folder.file:Class``."""
    file, _, name = place.partition(":")
    return getattr(importlib.import_module(file), name)(*args, **settings)


class _Itself(nn.Module):
    """A layer that takes queries, keys and values, given the same three times."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x, x, x)
        return y


def _emsa(c: int) -> Pair:
    theirs = _theirs(
        f"{FIGHTING}.attention.EMSA:EMSA",
        c,
        c // 8,
        c // 8,
        8,
        dropout=0.0,
        H=SIDE,
        W=SIDE,
        ratio=2,
    )
    keywords = {"size": (SIDE, SIDE)}
    return Pair(_ours("emsa", c), _Itself(theirs), tokens=True, keywords=keywords)


def _ufo(c: int) -> Pair:
    theirs = _theirs(f"{FIGHTING}.attention.UFOAttention:UFOAttention", c, c // 8, c // 8, 8, 0.0)
    return Pair(_ours("ufo", c, form="last_axis"), _Itself(theirs), tokens=True)


def _map(key: str, file: str, settings: dict[str, Any], *args: Any, **theirs: Any) -> Pair:
    """A pair of attentions on a map of 64 channels."""
    return Pair(
        _ours(key, 64, **settings), _theirs(f"{FIGHTING}.attention.{file}", *args, **theirs)
    )


def _dynamic_conv(c: int) -> Pair:
    theirs = _theirs(
        f"{FIGHTING}.conv.DynamicConv:DynamicConv", c, c, 3, 1, padding=1, bias=False, K=4
    )
    return Pair(_ours("dynamic_conv", c, c), theirs)


def _involution(c: int) -> Pair:
    theirs = _theirs(f"{FIGHTING}.conv.Involution:Involution", 7, c, group=c // 16)
    return Pair(_ours("involution", c, c), theirs)


def _scse(c: int) -> Pair:
    theirs = _theirs(f"{SEGMENTATION}.base.modules:SCSEModule", c, reduction=2)
    return Pair(_ours("scse", c), theirs)


PAIRS: dict[str, dict[str, Callable[[int], Pair]]] = {
    FIGHTING: {
        "cot": lambda c: _map("cot", "CoTAttention:CoTAttention", {"form": "circulating"}, c, 3),
        "double_attention": lambda c: _map(
            "double_attention", "A2Atttention:DoubleAttention", {"residual": False}, c, 16, 16
        ),
        "sge": lambda c: _map("sge", "SGE:SpatialGroupEnhance", {"groups": 8}, 8),
        "simam": lambda c: _map("simam", "SimAM:SimAM", {}),
        "triplet": lambda c: _map("triplet", "TripletAttention:TripletAttention", {}),
        "shuffle_attention": lambda c: _map(
            "shuffle_attention", "ShuffleAttention:ShuffleAttention", {}, c, G=8
        ),
        "parnet": lambda c: _map("parnet", "ParNetAttention:ParNetAttention", {}, c),
        "polarized": lambda c: _map(
            "polarized", "PolarizedSelfAttention:ParallelPolarizedSelfAttention", {}, c
        ),
        "acmix": lambda c: Pair(
            _ours("acmix", c, c), _theirs(f"{FIGHTING}.attention.ACmixAttention:ACmix", c, c)
        ),
        "gn_conv": lambda c: Pair(
            _ours("gn_conv", c, c), _theirs(f"{FIGHTING}.conv.HorNet:gnconv", c)
        ),
        "emsa": _emsa,
        "ufo": _ufo,
        "external_attention": lambda c: Pair(
            _ours("external_attention", c),
            _theirs(f"{FIGHTING}.attention.ExternalAttention:ExternalAttention", c, 64),
            tokens=True,
        ),
        "dynamic_conv": _dynamic_conv,
        "involution": _involution,
    },
    SEGMENTATION: {"scse": _scse},
}
COLLECTIONS: dict[str, Callable[[int], Pair]] = {
    key: pair
    for package, pairs in PAIRS.items()
    if importlib.util.find_spec(package) is not None
    for key, pair in pairs.items()
}
