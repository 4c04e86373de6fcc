"""Exports of a run's picks."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from plugnas.nas import tasks
from plugnas.nas.data import Dataset
from plugnas.nas.export import directory, looks
from plugnas.nas.export.delivery import Delivery, deliver_all
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.formats import Options, formats_of
from plugnas.nas.export.hosted import hosted
from plugnas.nas.export.subject import Provenance, Subject, Validation, module_keys
from plugnas.nas.export.weights import trained_size, weights_of
from plugnas.nas.front.member import Member
from plugnas.nas.job.images import images_of
from plugnas.nas.job.prepared import prepare
from plugnas.nas.machine.log import logger
from plugnas.nas.proxy import Recipe
from plugnas.nas.proxy.batches import Batches
from plugnas.nas.run.view import RunView
from plugnas.space import SearchSpace, parts_of

_CALIBRATION = 256  # training images by which int8 ranges are found
_HELD_OUT = 2000  # on which int8 is compared with float


def export_members(
    view: RunView,
    members: Sequence[Member],
    to: Path | None = None,
    options: Options | None = None,
    *,
    train_now: bool = False,
) -> list[Delivery]:
    """Export members of a run's front; each to ``RUN/export/<id>`` if ``to`` is None.

    One member goes to ``to`` itself, several to directories of their ids below it.

    Args:
        view: the run.
        members: of its front.
        to: the directory; None: ``RUN/export/<id>``.
        options: formats and forms.
        train_now: train by the long recipe, whatever was confirmed.

    Raises:
        PlugnasError: as ``weights_of`` and ``deliver_all``; nothing is left behind.
    """
    job = view.job_run.job  # refused first: a search from Python has no networks to export
    options = options or Options()
    if job.needs_latency and job.latency is not None and job.latency.runtime != "torch":
        options = replace(options, timed=job.latency.runtime, timed_dtype=job.latency.dtype)
        if job.latency.dtype == "int8" and options.quantize is None:
            logger.warning(
                "the search timed networks in int8; --quantize int8 writes what was timed"
            )
    targets = [_target(view, member, to, alone=len(members) == 1) for member in members]
    for member, target in zip(members, targets, strict=True):  # refused before anything trains
        formats_of(member.id, _keys(view, member), options)
        directory.check_free(target)
    dataset, space = _at_work(view)
    subjects = []
    for member, target in zip(members, targets, strict=True):
        make = partial(space.build, member.architecture)
        network, provenance = weights_of(view, member, dataset, make, train_now=train_now)
        logger.info("%s: weights %s", member.id, provenance.note)
        size = trained_size(view, member, dataset, provenance)
        subject = _subject(member, network, provenance, dataset, size)
        host = hosted(space, member.architecture)
        task = tasks.create(job.task, view.job_run.base).prepared(dataset)
        subject = replace(
            subject, host=host, dense=task.head == "dense", data=dataset.name,
            validation=_validation(dataset, task, size), task=task,
        )  # fmt: skip
        subjects.append((subject, target))
    deliveries = deliver_all(subjects, options)
    for subject, _ in subjects:
        if (picture := looks.write(subject, view.run.looks(subject.id))) is not None:
            logger.info("%s: where its plugs look: %s (the page shows it)", subject.id, picture)
    return deliveries


def _keys(view: RunView, member: Member) -> set[str]:
    """Return the keys of the zoo in a member's network."""
    values, host = member.architecture.values, view.space.host
    if host is None:
        return module_keys(parts_of(values))
    return {p.choice.key for p in host.placements(values)}


def _at_work(view: RunView) -> tuple[Dataset, SearchSpace]:
    """Return the images and a space that builds: a host's code runs here.

    Raises:
        ExportError: the host is another one than in the search.
    """
    run, before = view.job_run, view.space.host
    if before is None:
        return images_of(run.job, run.base), view.space
    prepared = prepare(run.job, run.base, run.costs)
    now = prepared.space.host
    if now is None or now.trace.digest != before.trace.digest:
        raise ExportError(
            f"the host {before.trace.name}, its arguments or its weights have changed since "
            f"{run.path} was searched; restore them, or search again"
        )
    return prepared.dataset, prepared.space


def _target(view: RunView, member: Member, to: Path | None, *, alone: bool) -> Path:
    if to is None:
        return view.run.path / "export" / member.id
    return to if alone else to / member.id


def _subject(
    member: Member,
    network: torch.nn.Module,
    provenance: Provenance,
    dataset: Dataset,
    size: tuple[int, int],
) -> Subject:
    """Join a trained network with the facts of its run and real images."""
    held_out = dataset.test if len(dataset.test) else dataset.validation
    return Subject(
        id=member.id,
        values=member.architecture.values,
        network=network,
        input_shape=(dataset.input_shape[0], *size),
        classes=dataset.classes,
        mean=tuple(dataset.mean.tolist()),
        std=tuple(dataset.std.tolist()),
        images=_images(dataset, held_out[:8], size),
        calibration=_images(dataset, dataset.train[:_CALIBRATION], size),
        provenance=provenance,
        costs=dict(member.costs),
        held_out=_images(dataset, held_out[:_HELD_OUT], size),
        labels=_labels(dataset, held_out[:_HELD_OUT]) if dataset.labels.ndim == 1 else None,
        several=dataset.labels.ndim == 2,
    )


def _validation(dataset: Dataset, task: tasks.Task, size: tuple[int, int]) -> Validation | None:
    """Return the whole validation part at the size of training; None where there is none."""
    indices = dataset.validation
    if not len(indices):
        return None
    given = tuple(dataset.input_shape[1:])
    recipe = Recipe(resolution=None if size == given else size[0])
    labels = Batches(dataset, recipe, torch.device("cpu")).plain(indices)[1]

    def score(outputs: Iterable[torch.Tensor]) -> float:
        tallies, done = [], 0
        for y in outputs:
            if y.ndim > 2:  # the classes of pixels: as outputs that leave no doubt
                y = F.one_hot(y.long(), task.outputs(dataset)).permute(0, 3, 1, 2).float()
            tallies.append(task.tally(y, labels[done : done + len(y)]))
            done += len(y)
        return task.score(functools.reduce(task.add, tallies))[task.main]

    return Validation(_images(dataset, indices, size)[: len(indices)], task.main, score)


def _labels(dataset: Dataset, indices: torch.Tensor) -> torch.Tensor:
    return dataset.labels[_repeated(indices)].clone()


def _repeated(indices: torch.Tensor) -> torch.Tensor:
    wanted = max(8, len(indices))
    return indices.repeat(-(-wanted // len(indices)))[:wanted]


def _images(dataset: Dataset, indices: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return images as bytes at the size of training; at least 8, repeated if there are fewer."""
    images = dataset.images[_repeated(indices)].clone()
    if tuple(images.shape[1:3]) == size:
        return images
    small = F.interpolate(images.permute(0, 3, 1, 2).float(), size=size, mode="area")
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
