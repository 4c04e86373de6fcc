"""The weights of a pick: confirmed ones, trained now by the long recipe, or the proxy's."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import msgspec
import torch
from torch import nn

from plugnas.nas import tasks
from plugnas.nas.confirm.outcome import paths
from plugnas.nas.confirm.recipe import long_recipe, recipe_before
from plugnas.nas.data import Dataset
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.subject import Provenance
from plugnas.nas.export.tensors import read_weights
from plugnas.nas.front.member import Member
from plugnas.nas.job.settings import settings_of
from plugnas.nas.machine.log import logger
from plugnas.nas.proxy import Recipe, default_rungs, train
from plugnas.nas.proxy.int8 import SUFFIX, asked
from plugnas.nas.run.view import RunView
from plugnas.space.training import resized
from plugnas.space.typed import convert

Make = Callable[[], nn.Module]


def weights_of(
    view: RunView,
    member: Member,
    dataset: Dataset,
    make: Make,
    *,
    train_now: bool,
) -> tuple[nn.Module, Provenance]:
    """Return the trained network of a member and where its weights come from.

    Confirmed weights are taken where there are any; else the network is trained now: by the long
    recipe if ``train_now``, otherwise again as the proxy did, whose weights are not kept.

    Args:
        view: the run.
        member: whose network it is.
        dataset: the images of the run.
        make: builds the network: a skeleton's with fresh weights, a host with its own and plugs.
        train_now: train by the long recipe, whatever was confirmed.

    Raises:
        ExportError: damaged confirmed weights, a training that diverged, nothing that trains.
    """
    if not train_now and (found := _confirmed(view, member, dataset, make)) is not None:
        return found
    if view.job_run.job.evaluate is not None:
        raise ExportError(
            f"{member.id} is trained by {view.job_run.job.evaluate}, which export does not call: "
            "run `nas confirm` first, which keeps the weights, and export without --train"
        )
    return (_long if train_now else _proxy)(view, member, dataset, make)


def _confirmed(
    view: RunView, member: Member, dataset: Dataset, make: Make
) -> tuple[nn.Module, Provenance] | None:
    """Return the network of the lowest confirmed seed; the best seed's test score is too high."""
    metric, ledger = view.metric, view.read(paths(view.run.path)[0])
    trained = [
        m
        for m in ledger.measurements
        if m.ok and m.architecture.id == member.id and metric.name in m.values
    ]
    folder = view.run.path / "confirm" / member.id
    kept = [m for m in trained if (folder / f"seed{m.seed}.safetensors").exists()]
    if not kept:
        return None
    first = min(kept, key=lambda m: m.seed)
    network = make()
    read_weights(network, folder / f"seed{first.seed}.safetensors")
    values = [m.values[metric.name] for m in trained]
    recipe = settings_of(view.job_run.job).of(_confirmed_recipe(view), member.architecture)
    part = "test" if len(dataset.test) else "validation"
    others = (
        f", the first of {len(trained)} seeds, not the best of them, whose {metric.name} would be "
        "too optimistic"
    )
    return _settled(network), Provenance(
        source="confirmation",
        note=f"trained with the long recipe ({_epochs(recipe)}) by `nas confirm` under seed "
        f"{first.seed}{others if len(trained) > 1 else ''}",
        seed=first.seed,
        metric=metric.name,
        value=first.values[metric.name],
        measured_on=f"{part} images",
        mean=statistics.fmean(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        n=len(values),
        recipe=_plain(recipe, dataset),
    )


def _confirmed_recipe(view: RunView) -> Recipe:
    """Return the recipe that was confirmed with; `nas confirm --epochs` may differ from the job."""
    stated = recipe_before(view)
    if stated is None:
        raise ExportError(
            f"{view.run.path / 'confirm'} does not say by which recipe its weights were trained; "
            "run `nas confirm` again, or export with --train"
        )
    return convert(stated, Recipe, str(view.run.path / "confirm" / "confirm.jsonl"))


def _long(
    view: RunView, member: Member, dataset: Dataset, make: Make
) -> tuple[nn.Module, Provenance]:
    recipe = _own_long(view, member, dataset)
    tested, scored = len(dataset.test) > 0, _scored(view)
    learn = ("train", "validation") if tested else ("train",)
    part = "test" if tested else "validation"
    logger.info("training %s with the long recipe: %s", member.id, _epochs(recipe))
    training = train(
        make, dataset, recipe,
        learn_from=learn, score_on=part, precision=view.job_run.job.proxy.precision,
        task=_task(view),
    )  # fmt: skip
    _sound(training.reason)
    return _settled(training.network), Provenance(
        source="long recipe",
        note=f"trained at export with the long recipe ({_epochs(recipe)}) on "
        f"{' and '.join(learn)} images, seed 0",
        seed=0,
        metric=scored,
        value=training.values[scored],
        measured_on=f"{part} images",
        recipe=_plain(recipe, dataset),
    )


def _proxy(
    view: RunView, member: Member, dataset: Dataset, make: Make
) -> tuple[nn.Module, Provenance]:
    """The proxy keeps no weights, so its training is done again: same rung, same seed."""
    recipe = _own_rung(view, member, dataset)
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
    logger.info(
        "training %s again as the proxy did (rung %d, seed %d)", member.id, member.rung, first.seed
    )
    training = train(
        make, dataset, recipe, seed=first.seed,
        precision=view.job_run.job.proxy.precision, task=_task(view),
    )  # fmt: skip
    _sound(training.reason)
    scored = _scored(view)
    recorded, found = first.values[scored], training.values[scored]
    same = abs(recorded - found) < 1e-9
    note = f"THE PROXY'S: a short training of the search, rung {member.rung}, seed {first.seed}"
    note += "; trained again at export, with " + (
        f"the recorded {scored}" if same else f"{found:.4f} ({recorded:.4f} recorded)"
    )
    return _settled(training.network), Provenance(
        source="proxy",
        note=note + ". For use, export with --train or run `nas confirm` first",
        seed=first.seed,
        metric=scored,
        value=training.values[scored],
        measured_on="validation images, by which the search chose",
        mean=member.values[scored],
        spread=member.spread[scored] if member.n > 1 else None,
        n=member.n,
        recipe=_plain(_own_long(view, member, dataset), dataset),
    )


def rungs(view: RunView, dataset: Dataset) -> tuple[Recipe, ...]:
    """Return the recipes of the run's proxy, cheapest first."""
    return tuple(view.job_run.job.proxy.rungs) or default_rungs(dataset)


def _own_rung(view: RunView, member: Member, dataset: Dataset) -> Recipe:
    """Return the recipe by which the proxy trained a member."""
    recipe = rungs(view, dataset)[member.rung]
    return settings_of(view.job_run.job).of(recipe, member.architecture)


def _own_long(view: RunView, member: Member, dataset: Dataset) -> Recipe:
    """Return the long recipe of a member."""
    return settings_of(view.job_run.job).of(long_recipe(view, dataset), member.architecture)


def _task(view: RunView) -> tasks.Task:
    return tasks.create(view.job_run.job.task, view.job_run.base)


def _scored(view: RunView) -> str:
    """Return the metric of the weights: they are float, also where the search scored int8."""
    name = view.metric.name
    return name.removesuffix(SUFFIX) if asked((name,), tuple(_task(view).metrics)) else name


def _epochs(recipe: Recipe) -> str:
    return f"{recipe.epochs} epoch{'s' * (recipe.epochs != 1)}"


def trained_size(
    view: RunView, member: Member, dataset: Dataset, provenance: Provenance
) -> tuple[int, int]:
    """Return the height and width of the images that the weights were trained on.

    Args:
        view: the run.
        member: whose weights they are.
        dataset: the images of the run.
        provenance: where the weights come from.
    """
    if provenance.source == "proxy":
        return _size(_own_rung(view, member, dataset), dataset)
    return provenance.recipe["height"], provenance.recipe["width"]


def _size(recipe: Recipe, dataset: Dataset) -> tuple[int, int]:
    shape = dataset.input_shape
    return resized(shape, recipe.resolution or shape[1])[1:]


def _plain(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Return a recipe as plain data, with what the data set decides filled in."""
    data = msgspec.structs.asdict(recipe)
    rows, columns = _size(recipe, dataset)
    data["height"], data["width"] = rows, columns
    data["shift"] = max(1, rows // 8) if recipe.shift is None else recipe.shift
    data["mirror"] = dataset.mirror if recipe.mirror is None else recipe.mirror
    data["resize"] = dataset.resize
    return data


def _settled(network: nn.Module) -> nn.Module:
    """Return a network as it is written: on the CPU, float32, contiguous, eval mode."""
    network = network.to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    return network.eval()


def _sound(reason: str | None) -> None:
    if reason is not None:
        raise ExportError(f"the network could not be trained for the export: {reason}")


__all__ = ["rungs", "trained_size", "weights_of"]
