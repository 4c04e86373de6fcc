"""A network as constructor calls: what ``space.Network`` builds, written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from plugnas import modules
from plugnas.modules import Recipe, Site
from plugnas.modules._parts import BatchNorm2d
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.expressions import Call
from plugnas.space import Network, Part, adapters
from plugnas.space.block import Block, BlockSpec
from plugnas.space.decoder import DenseHead, DenseHeadSpec, Level, LevelSpec
from plugnas.space.network import ContextSpec, HeadSpec
from plugnas.space.options import Choice
from plugnas.space.piece import Shape

Need = Callable[[str], str]  # collects a definition by its dotted name, returns its name


def dotted(cls: type) -> str:
    """Return where a class is defined: ``modules.attention.se.SqueezeExcitation``."""
    return f"{cls.__module__}.{cls.__qualname__}"


class Writer:
    """Writes parts as calls, collecting every class on the way."""

    def __init__(self, need: Need) -> None:
        self._need = need

    def network(self, network: Network) -> dict[str, Call]:
        """Return a call for each child of the network, by its name."""
        calls: dict[str, Call] = {}
        blocks: dict[str, dict[str, Call]] = {}
        for part in network.parts:
            outer, _, inner = part.position.partition(".")
            call = self._part(part, network.get_submodule(part.position))
            if inner:
                blocks.setdefault(outer, {})[inner] = call
                calls[outer] = _named(blocks[outer])
            else:
                calls[outer] = call
        return calls

    def _part(self, part: Part, built: nn.Module) -> Call:
        spec, site = part.spec, Site(*part.input_shape)
        if isinstance(spec, BlockSpec) and isinstance(built, Block):
            return self._block(spec, site, built)
        if isinstance(spec, ContextSpec):
            return self.choice(spec.context, "context", site)
        if isinstance(spec, LevelSpec) and isinstance(built, Level):
            return self._level(spec, part.input_shape, built)
        if isinstance(spec, DenseHeadSpec):
            size = (spec.height, spec.width)
            return Call.of(self._need(dotted(DenseHead)), spec.channels, spec.classes, size)
        if isinstance(spec, HeadSpec):
            pooling = self.choice(spec.pooling, "pooling", site)
            classifier = self._layer(built.get_submodule("classifier"))
            return _named({"pooling": pooling, "classifier": classifier})
        return self._layer(built)

    def _block(self, spec: BlockSpec, site: Site, built: Block) -> Call:
        height, width = (-(-n // spec.stride) for n in (site.height, site.width))
        after = Site(spec.out_channels, height, width)
        site = _strided(site, spec)
        return Call.of(
            self._need(dotted(Block)),
            operator=self.choice(spec.operator, "operator", site),
            norm=self._layer(built.norm),
            activation=self.choice(spec.activation, "activation", after),
            attention=self.choice(spec.attention, "attention", after),
            shortcut=self._layer(built.shortcut),
            fusion=self.choice(spec.fusion, "fusion", after),
        )

    def _level(self, spec: LevelSpec, shape: Shape, built: Level) -> Call:
        before, after = spec.sites(shape)
        return Call.of(
            self._need(dotted(Level)),
            lower=self._layer(built.lower),
            upsampling=self.choice(spec.upsampling, "upsampling", before),
            lateral=self._layer(built.lateral),
            fusion=self.choice(spec.fusion, "fusion", after),
            operator=self.choice(spec.operator, "operator", after),
            norm=self._layer(built.norm),
            activation=self.choice(spec.activation, "activation", after),
            attention=self.choice(spec.attention, "attention", after),
        )

    def choice(self, choice: Choice, slot: str, site: Site) -> Call:
        """Write what ``space.adapters.build`` builds."""
        entry, setting = modules.get(choice.key), dict(choice.setting)
        return self._recipe(adapters.recipe(entry, slot, site, setting))

    def _recipe(self, recipe: Recipe) -> Call:
        """Write what the recipe builds, every setting spelled out."""

        def write(argument: Any) -> Any:
            return self._recipe(argument) if isinstance(argument, Recipe) else argument

        positional = [write(argument) for argument in recipe.positional]
        named = {name: write(argument) for name, argument in recipe.named.items()}
        return Call.of(self._need(dotted(recipe.cls)), *positional, **named)

    def _layer(self, layer: nn.Module) -> Call:
        """Write one of the plain layers of which stem, shortcut and classifier are made."""
        known: Any = layer
        if type(layer) is nn.Sequential:
            return Call.of("nn.Sequential", *map(self._layer, layer))
        if type(layer) in (nn.Identity, nn.ReLU):
            return Call.of(f"nn.{type(layer).__name__}")
        if type(layer) is BatchNorm2d:
            return Call.of(self._need(dotted(BatchNorm2d)), layer.num_features)
        if type(layer) is nn.Linear:
            return Call.of("nn.Linear", layer.in_features, layer.out_features)
        if type(layer) is nn.AvgPool2d:
            return Call.of(
                "nn.AvgPool2d", known.kernel_size, ceil_mode=known.ceil_mode,
                count_include_pad=known.count_include_pad,
            )  # fmt: skip
        if type(layer) is nn.Conv2d:
            return Call.of(
                "nn.Conv2d", layer.in_channels, layer.out_channels, layer.kernel_size[0],
                stride=layer.stride[0], padding=known.padding[0], bias=layer.bias is not None,
            )  # fmt: skip
        raise ExportError(f"model.py cannot write {type(layer).__name__} as source")


def _strided(site: Site, spec: BlockSpec) -> Site:
    return Site(site.channels, site.height, site.width, spec.stride, spec.out_channels)


def _named(calls: dict[str, Call]) -> Call:
    return Call.of("nn.Sequential", Call.of("OrderedDict", **calls))
