"""Modules put into a host; the model.py of a plugged host holds a copy of this."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from plugnas.space.host.plugging import PLUGS, Plugs, _After, _Beside


def read_module(path: Path) -> ModuleType:
    """Import a Python file from its place."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def replace(network: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module in the place of another."""
    above, _, name = path.rpartition(".")
    network.get_submodule(above)._modules[name] = module


def plug_after(network: nn.Module, path: str, name: str, plug: Any) -> None:
    """Let a plug run after a submodule; it is kept among the network's plugs.

    Args:
        network: the host.
        path: of the submodule.
        name: of the plug.
        plug: the module.
    """
    _plugs(network)[name] = plug
    network.get_submodule(path).register_forward_hook(_After(plug))


def plug_beside(network: nn.Module, path: str, name: str, plug: Any) -> None:
    """Let a plug run beside a submodule: it reads what enters and what leaves.

    Args:
        network: the host.
        path: of the submodule.
        name: of the plug.
        plug: the module.
    """
    target: Any = network.get_submodule(path)
    if getattr(target, "inplace", False):
        target.inplace = False  # the plug reads the input afterwards
    _plugs(network)[name] = plug
    target.register_forward_hook(_Beside(plug))


def _plugs(network: nn.Module) -> Any:
    if not hasattr(network, PLUGS):
        network.add_module(PLUGS, Plugs())
    return getattr(network, PLUGS)
