"""Where measurements go besides the ledger: the callbacks that a job names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from plugnas.modules.errors import PlugnasError, did_you_mean
from plugnas.nas.ledger.measurement import Measurement

OF_RAY = {
    "tensorboard": ("tensorboardX", "ray.tune.logger", "TBXLoggerCallback"),
    "mlflow": ("mlflow", "ray.air.integrations.mlflow", "MLflowLoggerCallback"),
    "wandb": ("wandb", "ray.air.integrations.wandb", "WandbLoggerCallback"),
}
"""Ray Tune's callback of each name: the library that it needs, its module, its class."""

NAMES = tuple(OF_RAY)


class Event(Protocol):
    """What a callback receives (``study.drive.Event``): its kind, and what was measured."""

    @property
    def kind(self) -> str:
        """``begin``, ``measured``, ``tick`` or ``end``."""

    @property
    def measurement(self) -> Measurement | None:
        """The new measurement where the kind is ``measured``."""


Listener = Callable[[Event], None]


class CallbackError(PlugnasError):
    """A callback that is unknown, needs another executor, or whose library is missing."""


def parse(callbacks: Sequence[str | Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return a job's ``callbacks:`` as names and options; ``tensorboard`` or ``{mlflow: {...}}``.

    Raises:
        CallbackError: an unknown name, or an entry that is neither form.
    """
    parsed: list[tuple[str, dict[str, Any]]] = []
    for entry in callbacks:
        pair = {entry: {}} if isinstance(entry, str) else dict(entry)
        if len(pair) != 1 or not isinstance(next(iter(pair.values())) or {}, Mapping):
            raise CallbackError(
                f"A callback is a name or {{name: {{option: value}}}}, but got {entry!r}."
            )
        name, options = next(iter(pair.items()))
        if name not in NAMES:
            raise CallbackError(
                f"A callback is one of {', '.join(NAMES)}, not {name!r}{did_you_mean(name, NAMES)}"
            )
        parsed.append((name, dict(options or {})))
    return parsed


def listeners(callbacks: Sequence[str | Mapping[str, Any]], run_dir: Path) -> list[Listener]:
    """Return the listeners for ``drive`` that a job names, for executors other than Ray's.

    Raises:
        CallbackError: a callback that only Ray has, or whose library is missing.
    """
    made: list[Listener] = []
    for name, options in parse(callbacks):
        if name != "tensorboard":
            raise CallbackError(
                f"The callback {name} is one of Ray Tune's and needs `executor: ray`; the local "
                f"executor has tensorboard."
            )
        made.append(TensorBoard(run_dir / "tensorboard", **options))
    return made


def of_ray(callbacks: Sequence[str | Mapping[str, Any]], folder: Path) -> list[Any]:
    """Return Ray Tune's callbacks for those that a job names, set up; they write to ``folder``.

    Raises:
        CallbackError: a missing library, an unknown option, or a callback that cannot begin (no
            server, no API key): Tune would find out in mid-search.
    """
    made: list[Any] = []
    for name, options in parse(callbacks):
        library, home, kind = OF_RAY[name]
        if name == "wandb":
            _tell_wandb(options, folder)
        try:
            import_module(library)  # Ray would not say that it is missing
            made.append(getattr(import_module(home), kind)(**options))
        except ImportError as error:
            raise CallbackError(
                f"The callback {name} needs {error.name or library}, which is not installed: "
                f"pip install 'plugnas[ray,{name}]'"
            ) from error
        except TypeError as error:
            raise CallbackError(f"The callback {name} has no such option: {error}.") from error
        try:
            made[-1].setup()
        except Exception as error:
            raise CallbackError(f"The callback {name} cannot begin: {error}") from error
    return made


def _tell_wandb(options: dict[str, Any], folder: Path) -> None:
    """Say in options, and in the environment, where and how Weights & Biases should work.

    It runs in processes that see neither this one's environment nor its folder; and Ray asks for
    an API key unless the environment says ``offline``.
    """
    mode = options.setdefault("mode", os.environ.get("WANDB_MODE", "online"))
    if mode in ("offline", "disabled"):
        os.environ["WANDB_MODE"] = mode
    folder.mkdir(parents=True, exist_ok=True)
    options.setdefault("dir", str(folder.resolve()))


class TensorBoard:
    """Writes every measurement's values, costs and seconds as scalars, one step per task number."""

    def __init__(self, folder: Path, **options: Any) -> None:
        try:
            self._writer = _writer()(str(folder), **options)
        except TypeError as error:
            raise CallbackError(f"The callback tensorboard has no such option: {error}.") from error

    def __call__(self, event: Event) -> None:
        """Write a measured event; close at the end."""
        if event.measurement is not None:
            for name, value in scalars(event.measurement).items():
                tag = f"rung{event.measurement.rung}/{name}"
                self._writer.add_scalar(tag, value, event.measurement.number)
        if event.kind == "end":
            self._writer.close()


def scalars(measurement: Measurement) -> dict[str, float]:
    """Return what a logger can draw of a measurement; values that are no numbers are left out."""
    known = {
        **measurement.costs,
        **measurement.values,
        "seconds": measurement.seconds,
        "failed": 0.0 if measurement.ok else 1.0,
    }
    if measurement.signal is not None:
        known["signal"] = measurement.signal
    return {name: float(value) for name, value in known.items() if value is not None}


def _writer() -> Any:
    for home in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return import_module(home).SummaryWriter
        except ImportError:
            continue
    raise CallbackError(
        "The callback tensorboard needs its library: pip install 'plugnas[tensorboard]'"
    )


__all__ = [
    "NAMES",
    "OF_RAY",
    "CallbackError",
    "TensorBoard",
    "listeners",
    "of_ray",
    "parse",
    "scalars",
]
