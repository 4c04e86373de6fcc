"""The part of ``model.py`` that builds a plugged host: its constructor, then what is plugged in."""

from __future__ import annotations

from typing import Any

from torch import nn

from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.expressions import Call, Raw, literal
from plugnas.nas.export.hosted import Hosted
from plugnas.nas.export.standalone import plugging
from plugnas.nas.export.written import Need, Writer, dotted
from plugnas.space.host import HostSource, Placement, Plug, Replacement
from plugnas.space.host.plugging import free_name, stands_beside
from plugnas.space.host.plugs import site_of


def building(found: Hosted, network: nn.Module, need: Need) -> str:
    """Return the functions ``host`` and ``network`` of model.py, and collect what they need.

    Args:
        found: the host and what is plugged in.
        network: the trained network, from which shapes are read.
        need: collects a definition by its dotted name and returns its name.
    """
    lines = [
        "def network() -> nn.Module:",
        '    """Return the host with its plugs in place, all weights fresh."""',
        "    built: nn.Module = host()",
        *_classifiers(found, network, need),
        *_plugs(found, network, need),
        "    return built",
    ]
    return "\n".join([*_host(found, network, need), "", "", *lines])


# --- the host -----------------------------------------------------------------------------------


def _host(found: Hosted, network: nn.Module, need: Need) -> list[str]:
    source = found.fresh(network)
    function, given = source.call()
    call = Call.of("HOST", **given)
    head = [
        "def host() -> nn.Module:",
        f'    """Return the host, {found.trace.name}, with fresh weights."""',
    ]
    if found.file_name is not None:
        read = need(_dotted_helper("read_module"))
        place = f"Path(__file__).with_name({literal(found.file_name)})"
        name = source.model.rpartition(":")[2]
        begin, text = [f"    source = {read}({place})"], f"source.{name}"
    else:
        begin, text = _imported(source, function)
    return [*head, *begin, call.text(4, "return ").replace("HOST", text, 1)]


def _imported(source: HostSource, function: Any) -> tuple[list[str], str]:
    """Return the import of a library's constructor, and how it is called there."""
    place, _, name = source.model.rpartition(":")
    if place == "timm":
        return ["    from timm import create_model", ""], "create_model"
    first = name.partition(".")[0]
    if hasattr(__import__(place, fromlist=["_"]), first):
        return [f"    from {place} import {first}", ""], name
    where, own = function.__module__, function.__name__  # found in torchvision's own register
    return [f"    from {where} import {own}", ""], own


# --- what is put into it ------------------------------------------------------------------------


def _classifiers(found: Hosted, network: nn.Module, need: Need) -> list[str]:
    if not found.refits:
        return []
    put = need(_dotted_helper("replace"))
    lines = []
    for path in found.trace.classifiers:
        call = Call.of(put, Raw("built"), path, _layer(network.get_submodule(path)))
        lines.append(call.text(4))
    return lines


def _layer(layer: nn.Module) -> Call:
    if isinstance(layer, nn.Linear):
        return Call.of(
            "nn.Linear", layer.in_features, layer.out_features, bias=layer.bias is not None
        )
    if isinstance(layer, nn.Conv2d):
        return Call.of(
            "nn.Conv2d", layer.in_channels, layer.out_channels, layer.kernel_size,
            stride=layer.stride, padding=layer.padding, dilation=layer.dilation,
            groups=layer.groups, bias=layer.bias is not None, padding_mode=layer.padding_mode,
        )  # fmt: skip
    raise ExportError(f"model.py cannot write the classifier {type(layer).__name__} as source")


def _plugs(found: Hosted, network: nn.Module, need: Need) -> list[str]:
    names: list[str] = []
    lines = []
    for placement in found.placements:
        beside = stands_beside(placement, found.start)
        if placement.how == "replace" and not beside:
            helper = need(_dotted_helper("replace"))
            module = _replacement(found, placement, network.get_submodule(placement.path), need)
            lines.append(Call.of(helper, Raw("built"), placement.path, module).text(4))
            continue
        name = free_name(placement.name, names)
        names.append(name)
        helper = need(_dotted_helper("plug_beside" if beside else "plug_after"))
        plug = _plug(found, placement, network.get_submodule(f"plugs.{name}"), need)
        lines.append(Call.of(helper, Raw("built"), placement.path, name, plug).text(4))
    return lines


def _plug(found: Hosted, placement: Placement, built: Any, need: Need) -> Call:
    gate: object = None
    if built.gate is not None:
        gate = Call.of("torch.zeros", *built.gate.shape)
    return Call.of(need(dotted(Plug)), _module(found, placement, need), gate)


def _replacement(found: Hosted, placement: Placement, built: Any, need: Need) -> Call:
    bias: object = None
    if built.bias is not None:
        bias = Call.of("torch.zeros", *built.bias.shape)
    return Call.of(need(dotted(Replacement)), _module(found, placement, need), bias)


def _module(found: Hosted, placement: Placement, need: Need) -> Call:
    site = site_of(placement, found.trace.by_path[placement.path])
    return Writer(need).choice(placement.choice, placement.slot, site)


def _dotted_helper(name: str) -> str:
    return f"{plugging.__name__}.{name}"


__all__ = ["building"]
