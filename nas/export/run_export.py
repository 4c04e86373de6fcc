"""Exports of a run's picks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional as F

from plugnas.nas.data import Dataset
from plugnas.nas.data import load as load_data
from plugnas.nas.export import directory
from plugnas.nas.export.delivery import Delivery, Options, deliver_all, formats_of
from plugnas.nas.export.subject import Provenance, Subject
from plugnas.nas.export.weights import Notify, trained_size, weights_of
from plugnas.nas.front.member import Member
from plugnas.nas.run.view import RunView

_CALIBRATION = 256  # training images by which int8 ranges are found
_HELD_OUT = 2000  # on which int8 is compared with float


def export_members(
    view: RunView,
    members: Sequence[Member],
    to: Path | None = None,
    options: Options | None = None,
    *,
    train_now: bool = False,
    notify: Notify = lambda text: None,
) -> list[Delivery]:
    """Export members of a run's front; each to ``RUN/export/<id>`` if ``to`` is None.

    One member goes to ``to`` itself, several to directories of their ids below it.

    Raises:
        PlugnasError: as ``weights_of`` and ``deliver_all``; nothing is left behind.
    """
    options, run = options or Options(), view.job_run
    targets = [_target(view, member, to, alone=len(members) == 1) for member in members]
    for member, target in zip(members, targets, strict=True):  # refused before anything trains
        formats_of(member.id, member.architecture.values, options)
        directory.check_free(target)
    dataset = load_data(run.job.data, base=run.base)
    subjects = []
    for member, target in zip(members, targets, strict=True):
        network, provenance = weights_of(view, member, dataset, train_now=train_now, notify=notify)
        notify(f"{member.id}: weights {provenance.note}")
        size = trained_size(view, member, dataset, provenance)
        subjects.append((_subject(member, network, provenance, dataset, size), target))
    return deliver_all(subjects, options)


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
        labels=_labels(dataset, held_out[:_HELD_OUT]),
    )


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
