"""The weights of a pick: confirmed ones, trained now by the long recipe, or the proxy's."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import torch
from torch import nn

from plugnas.nas.data import Dataset
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Provenance
from plugnas.nas.export.tensors import read_weights
from plugnas.nas.front.member import Member
from plugnas.nas.proxy import Recipe, default_confirmation, default_rungs, train
from plugnas.nas.run.view import RunView
from plugnas.space import Network, parts_of
from plugnas.space.parameter import Token

Notify = Callable[[str], None]


def weights_of(
    view: RunView, member: Member, dataset: Dataset, *, train_now: bool, notify: Notify
) -> tuple[nn.Module, Provenance]:
    """Return the trained network of a member and where its weights come from.

    Confirmed weights are taken where there are any; else the network is trained now: by the long
    recipe if ``train_now``, otherwise again as the proxy did, whose weights are not kept.

    Raises:
        ExportError: damaged confirmed weights, a training that diverged, nothing that trains.
    """
    if not train_now and (found := _confirmed(view, member, dataset)) is not None:
        return found
    return (_long if train_now else _proxy)(view, member, dataset, notify)


def _confirmed(
    view: RunView, member: Member, dataset: Dataset
) -> tuple[nn.Module, Provenance] | None:
    """The lowest confirmed seed's: the best one's would flatter the test accuracy."""
    records = _confirmations(view, member.id)
    folder = view.run.path / "confirm" / member.id
    kept = [r for r in records if (folder / f"seed{r['seed']}.safetensors").exists()]
    if not kept:
        return None
    first = min(kept, key=lambda r: int(r["seed"]))
    network = build(member.architecture.values)
    read_weights(network, folder / f"seed{first['seed']}.safetensors")
    accuracies = [float(r["values"]["accuracy"]) for r in records]
    recipe = _confirmed_recipe(view)
    part = "test" if len(dataset.test) else "validation"
    others = (
        f", the first of {len(records)} rather than the best, so that the accuracy flatters nobody"
    )
    return _settled(network), Provenance(
        source="confirmation",
        note=f"trained with the long recipe ({_epochs(recipe)}) by `nas confirm` under seed "
        f"{first['seed']}{others if len(records) > 1 else ''}",
        seed=int(first["seed"]),
        accuracy=float(first["values"]["accuracy"]),
        measured_on=f"{part} images",
        mean=statistics.fmean(accuracies),
        spread=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        n=len(accuracies),
        recipe=_plain(recipe, dataset),
    )


def _confirmed_recipe(view: RunView) -> Recipe:
    """Return the recipe that was confirmed with; `nas confirm --epochs` may differ from the job."""
    stated = [e["confirm"]["recipe"] for e in _confirm_ledger(view) if "confirm" in e]
    if not stated:
        raise ExportError(
            f"{view.run.path / 'confirm'} does not say by which recipe its weights were trained; "
            "run `nas confirm` again, or export with --train"
        )
    return msgspec.convert(stated[-1], Recipe)  # all the same: another recipe is refused


def _confirmations(view: RunView, identity: str) -> list[Mapping[str, Any]]:
    """Return the sound confirmations of an architecture."""
    return [
        record
        for record in _confirm_ledger(view)
        if record.get("architecture", {}).get("id") == identity
        and record.get("status", "ok") == "ok"
        and "accuracy" in record.get("values", {})
    ]


def _confirm_ledger(view: RunView) -> list[dict[str, Any]]:
    """Read headers and records of the long trainings; a torn last line is left out."""
    path = view.run.path / "confirm" / "confirm.jsonl"
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def _long(
    view: RunView, member: Member, dataset: Dataset, notify: Notify
) -> tuple[nn.Module, Provenance]:
    recipe = long_recipe(view, dataset)
    tested = len(dataset.test) > 0
    learn = ("train", "validation") if tested else ("train",)
    part = "test" if tested else "validation"
    notify(f"training {member.id} with the long recipe: {_epochs(recipe)}")
    training = train(
        partial(build, member.architecture.values), dataset, recipe,
        learn_from=learn, score_on=part, precision=view.run.job.proxy.precision,
    )  # fmt: skip
    _sound(training.reason)
    return _settled(training.network), Provenance(
        source="long recipe",
        note=f"trained at export with the long recipe ({_epochs(recipe)}) on "
        f"{' and '.join(learn)} images, seed 0",
        seed=0,
        accuracy=training.accuracy,
        measured_on=f"{part} images",
        recipe=_plain(recipe, dataset),
    )


def _proxy(
    view: RunView, member: Member, dataset: Dataset, notify: Notify
) -> tuple[nn.Module, Provenance]:
    """The proxy keeps no weights, so its training is done again: same rung, same seed."""
    recipe = rungs(view, dataset)[member.rung]
    if recipe.zero_cost is not None:
        raise ExportError(
            f"the run's highest rung scores networks by {recipe.zero_cost} and trains none; "
            "export with --train"
        )
    first = next(
        m
        for m in view.measurements
        if m.ok and m.rung == member.rung and m.architecture.id == member.id
    )
    notify(f"training {member.id} again as the proxy did (rung {member.rung}, seed {first.seed})")
    training = train(
        partial(build, member.architecture.values), dataset, recipe, seed=first.seed,
        precision=view.run.job.proxy.precision,
    )  # fmt: skip
    _sound(training.reason)
    recorded = first.values["accuracy"]
    same = abs(recorded - training.accuracy) < 1e-9
    note = f"THE PROXY'S: a short training of the search, rung {member.rung}, seed {first.seed}"
    note += "; trained again at export, with " + (
        "the recorded accuracy" if same else f"{training.accuracy:.4f} ({recorded:.4f} recorded)"
    )
    return _settled(training.network), Provenance(
        source="proxy",
        note=note + ". For use, export with --train or run `nas confirm` first",
        seed=first.seed,
        accuracy=training.accuracy,
        measured_on="validation images, by which the search chose",
        mean=member.values["accuracy"],
        spread=member.spread["accuracy"] if member.n > 1 else None,
        n=member.n,
        recipe=_plain(long_recipe(view, dataset), dataset),
    )


def rungs(view: RunView, dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of the run's proxy, cheapest first."""
    return tuple(view.run.job.proxy.rungs) or default_rungs(dataset)


def long_recipe(view: RunView, dataset: Dataset) -> Recipe:
    """Return the recipe of confirmations and ``--train``."""
    recipe = default_confirmation(dataset)
    confirm = view.run.job.confirm
    if confirm is None or confirm.epochs is None:
        return recipe
    return msgspec.structs.replace(recipe, epochs=confirm.epochs)


def _epochs(recipe: Recipe) -> str:
    return f"{recipe.epochs} epoch{'s' * (recipe.epochs != 1)}"


def trained_size(
    view: RunView, member: Member, dataset: Dataset, provenance: Provenance
) -> tuple[int, int]:
    """Return the height and width of the images that the weights were trained on."""
    if provenance.source == "proxy":
        return _size(rungs(view, dataset)[member.rung], dataset)
    return provenance.recipe["height"], provenance.recipe["width"]


def _size(recipe: Recipe, dataset: Dataset) -> tuple[int, int]:
    _, height, width = dataset.input_shape
    rows = recipe.resolution or height
    return rows, max(1, round(width * rows / height))


def build(values: Mapping[str, Token]) -> nn.Module:
    """Build the network of an architecture's values."""
    return Network(parts_of(values))


def _plain(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Return a recipe as plain data, with what the data set decides filled in."""
    data = msgspec.structs.asdict(recipe)
    rows, columns = _size(recipe, dataset)
    data["height"], data["width"] = rows, columns
    data["shift"] = max(1, rows // 8) if recipe.shift is None else recipe.shift
    data["mirror"] = dataset.mirror if recipe.mirror is None else recipe.mirror
    return data


def _settled(network: nn.Module) -> nn.Module:
    """Return a network as it is written: on the CPU, float32, contiguous, eval mode."""
    network = network.to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    return network.eval()


def _sound(reason: str | None) -> None:
    if reason is not None:
        raise ExportError(f"the network could not be trained for the export: {reason}")


__all__ = ["build", "long_recipe", "rungs", "trained_size", "weights_of"]
