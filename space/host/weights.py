"""The weights of a host: read from a file, unwrapped, and loaded strictly."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.modules import did_you_mean
from plugnas.space.host.errors import HostError
from plugnas.space.host.fresh import mark_fresh

_SHOWN = 6
# Bookkeeping of averaged and wrapped models that belongs to no layer.
_COUNTERS = frozenset({"n_averaged"})


def load_weights(
    model: nn.Module, path: Path, classifiers: Collection[str] = ()
) -> tuple[str, ...]:
    """Load a file's tensors into a host: every key, or an error; return what was done on the way.

    Args:
        model: the host; changed in place.
        path: safetensors, or what ``torch.save`` wrote (read with ``weights_only=True``).
        classifiers: the layers that may have another number of classes in the file; theirs then
            stay as they are, and that is said.

    Raises:
        HostError: the file cannot be read, or does not hold exactly the host's keys and shapes.
    """
    known = model.state_dict()
    tensors, notes = _fitting(_read(path), known, path)
    tensors, said = _without_prefix(tensors, known)
    notes += said
    for name in classifiers:
        keys = [k for k in tensors if k.rpartition(".")[0] == name and k in known]
        if any(tensors[k].shape != known[k].shape for k in keys):
            theirs, ours = tensors[keys[0]].shape[0], known[keys[0]].shape[0]
            notes.append(
                f"the classifier `{name}` has {theirs} outputs in {path.name} and {ours} in the "
                "host: it starts with new weights"
            )
            tensors |= {k: known[k] for k in keys}
            mark_fresh(model.get_submodule(name))
    _check(tensors, known, path)
    answer = model.load_state_dict(tensors, strict=False)
    missing, unexpected = answer.missing_keys, answer.unexpected_keys
    if missing or unexpected:
        raise HostError(_mismatch(path, missing, unexpected))
    return tuple(notes)


def _read(path: Path) -> Any:
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.*")])
        raise HostError(f"the weights {path} are not there{near}")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise HostError(f"{path} is no safetensors file: {error}") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise HostError(
            f"{path} holds more than tensors, and is not read, since it could run code; save the "
            "weights alone: torch.save(model.state_dict(), file)"
        ) from None
    except Exception as error:  # noqa: BLE001 - a file that is no weights raises anything
        raise HostError(f"{path} cannot be read as weights: {_first_line(error)}") from None


def _fitting(
    data: Any, known: Mapping[str, Tensor], path: Path
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the mapping of tensors inside that has most of the host's keys."""
    found = list(_mappings(data, ()))
    if not found:
        raise HostError(f"{path} holds no weights: no mapping of names to tensors is in it")
    place, tensors = max(found, key=lambda item: _overlap(item[1], known))
    notes = [f"the weights stand under `{'.'.join(place)}` in {path.name}"] if place else []
    return tensors, notes


def _mappings(
    data: Any, place: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], dict[str, Tensor]]]:
    if not isinstance(data, Mapping) or len(place) > 3:
        return
    tensors = {str(k): v for k, v in data.items() if isinstance(v, Tensor)}
    if tensors:
        yield place, tensors
    for name, inner in data.items():
        yield from _mappings(inner, (*place, str(name)))


def _overlap(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> int:
    """How many of the host's keys end some key of the file, with its shape."""
    ends = Counter(key for key in known)
    return sum(
        any(ends[tail] and known[tail].shape == value.shape for tail in _tails(key))
        for key, value in tensors.items()
    )


def _tails(key: str) -> Iterable[str]:
    yield key
    while "." in key:
        key = key.partition(".")[2]
        yield key


def _without_prefix(
    tensors: dict[str, Tensor], known: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Drop what stands before every key, such as ``module.``, where the host's keys follow it."""
    prefixes = Counter(
        key.removesuffix(tail)
        for key in tensors
        for tail in _tails(key)
        if tail in known and tail != key
    )
    whole = sum(key in known for key in tensors)
    if not prefixes or prefixes.most_common(1)[0][1] <= whole:
        return tensors, []
    prefix = prefixes.most_common(1)[0][0]
    kept = {k.removeprefix(prefix): v for k, v in tensors.items() if k not in _COUNTERS}
    return kept, [f"the prefix `{prefix}` of the weights' keys is left out"]


def _check(tensors: Mapping[str, Tensor], known: Mapping[str, Tensor], path: Path) -> None:
    wrong = [
        f"`{k}` is {_size(v)} in the file and {_size(known[k])} in the host"
        for k, v in tensors.items()
        if k in known and v.shape != known[k].shape
    ]
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise HostError(f"{path} does not fit the host: {'; '.join(wrong[:_SHOWN])}{more}")


def _mismatch(path: Path, missing: list[str], unexpected: list[str]) -> str:
    parts = []
    for keys, word in ((missing, "missing from the file"), (unexpected, "unexpected")):
        if keys:
            more = ", ..." if len(keys) > _SHOWN else ""
            parts.append(f"keys {word} ({len(keys)}): {', '.join(keys[:_SHOWN])}{more}")
    return (
        f"{path} does not fit the host; {'; '.join(parts)}; weights are loaded whole or not at "
        "all: check the model and its arguments"
    )


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
