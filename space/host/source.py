"""Where a host comes from: a callable that returns the network, named in the job."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from plugnas.modules import LoadError, did_you_mean, load_file
from plugnas.space.host.errors import HostError
from plugnas.space.host.records import digest_of
from plugnas.space.host.shadow import EmptyOnMeta, shadow_of

OWN_WEIGHTS = "default"
_FORMS = "write `package.module:callable`, `file.py:callable` or `timm:NAME`"


@dataclass(frozen=True)
class HostSource:
    """A host as the job names it; paths are relative to ``base``.

    Args:
        model: ``package.module:callable``, ``file.py:callable``, or ``timm:NAME``.
        arguments: keyword arguments of the callable.
        weights: a file, ``default`` for those of the library, or None for fresh ones.
        base: the folder of the job.
        classifier: the paths of the layers that make the classes; None: they are found.
    """

    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    base: Path = Path()
    classifier: tuple[str, ...] | None = None

    @property
    def weights_file(self) -> Path | None:
        """The file of the weights, if they come from one."""
        return None if self.weights in (None, OWN_WEIGHTS) else self.base / str(self.weights)

    def digest(self) -> str:
        """Return hexadecimal digits that change with the model, its arguments or its weights."""
        stamp = self.weights
        if self.weights_file is not None and self.weights_file.is_file():
            stamp = hashlib.sha256(self.weights_file.read_bytes()).hexdigest()
        return digest_of([self.model, sorted(self.arguments.items()), stamp, self.classifier])

    def build(self) -> nn.Module:
        """Call the callable: the network with fresh weights, or those of its library.

        Raises:
            HostError: no such callable, arguments that it does not take, a constructor that
                fails, or something that is no ``nn.Module``.
        """
        function, given = self.call()
        try:
            network = function(**given)
        except Exception as error:  # noqa: BLE001 - whatever a foreign constructor raises
            raise HostError(f"{self._told(given)}: {_in_a_sentence(error)}") from None
        if not isinstance(network, nn.Module):
            kind = type(network).__name__
            raise HostError(
                f"{self.model} returns a {kind}; a host is a callable that returns an nn.Module"
            )
        return network

    def build_light(self) -> nn.Module:
        """Return the network on the meta device; nothing of its weights is kept.

        Raises:
            HostError: as ``build``.
        """
        fresh = HostSource(self.model, self.arguments, None, self.base)
        try:
            with EmptyOnMeta():
                return shadow_of(fresh.build())
        except HostError:  # a constructor that runs its own network needs the values
            return shadow_of(fresh.build())

    def call(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the callable and the keyword arguments with which it is called.

        Raises:
            HostError: there is no such callable.
        """
        head, _, name = self.model.rpartition(":")
        if not head or not name:
            raise HostError(f"the host `{self.model}` names no callable; {_FORMS}")
        if head == "timm":
            return _timm(name), {
                "model_name": name,
                "pretrained": self.weights == OWN_WEIGHTS,
                **self.arguments,
            }
        module = self._file(head) if head.endswith(".py") else _package(head)
        function = _attribute(module, name, self.model)
        return function, {**self._weights_argument(function), **self.arguments}

    def _file(self, name: str) -> ModuleType:
        path = (self.base / name).resolve()
        if not path.is_file():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")])
            raise HostError(f"the host's file {path} is not there{near}")
        try:
            return load_file(name, path)
        except LoadError as error:
            raise HostError(f"the host {self.model}: {error}") from None

    def _weights_argument(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return how the callable is told which weights it has: its own, or none of any library."""
        own = self.weights == OWN_WEIGHTS
        known = _parameters(function)
        if "weights" in known:
            given: dict[str, Any] = {"weights": "DEFAULT" if own else None}
            if not own and "weights_backbone" in known:
                given["weights_backbone"] = None
            return given
        if "pretrained" in known:
            return {"pretrained": own}
        if own:
            raise HostError(
                f"{self.model} takes neither `weights` nor `pretrained`, so it has no weights of "
                "its own; name a file, or leave `weights` out"
            )
        return {}

    def _told(self, given: Mapping[str, Any]) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"the host {self.model} cannot be built with ({arguments})"


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            raise HostError(
                f"the host's package `{missing}` is not installed here; install it, or check the "
                f"name ({_FORMS})"
            ) from None
        raise HostError(f"`{name}` cannot be imported: it needs `{missing}`") from None
    except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
        raise HostError(f"`{name}` cannot be imported: {_in_a_sentence(error)}") from None


def _attribute(module: ModuleType, name: str, model: str) -> Callable[..., Any]:
    found: Any = module
    builder = getattr(module, "get_model_builder", None)  # torchvision's register of all its models
    if not hasattr(module, name) and builder is not None:
        try:
            registered: Callable[..., Any] = builder(name)
        except ValueError:
            raise HostError(
                f"{module.__name__} has no model `{name}`{did_you_mean(name, module.list_models())}"
            ) from None
        return registered
    for step in name.split("."):
        if not hasattr(found, step):
            known = [n for n in dir(found) if callable(getattr(found, n)) and n[0] != "_"]
            raise HostError(f"the host {model}: there is no `{step}`{did_you_mean(step, known)}")
        found = getattr(found, step)
    if not callable(found):
        raise HostError(f"the host {model} is a {type(found).__name__}, no callable")
    function: Callable[..., Any] = found
    return function


def _timm(name: str) -> Callable[..., Any]:
    """Return timm's constructor; timm is imported here alone, and only by name."""
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError:
        raise HostError(
            f"the host timm:{name} needs timm, which is not installed here: "
            "pip install 'plugnas[timm]'"
        ) from None
    if not timm.is_model(name):
        raise HostError(f"timm has no model `{name}`{did_you_mean(name, timm.list_models())}")
    create: Callable[..., Any] = timm.create_model
    return create


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _in_a_sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
