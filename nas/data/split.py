"""The division of the images into train, validation and test, by class in proportion."""

from __future__ import annotations

import numpy as np

from plugnas.nas.data.groups import split_groups
from plugnas.nas.data.source import PARTS
from plugnas.nas.data.spec import DataSpec

Indices = dict[str, np.ndarray]


def split(
    labels: np.ndarray, parts: np.ndarray, spec: DataSpec, groups: np.ndarray | None = None
) -> Indices:
    """Return the sorted indices of each part; a pure function of its arguments.

    A part that the source gives stays as it is; the others are drawn from the training images,
    class by class. A class with two images gets one to train and one to validate, with three one
    of each; more get the asked shares, rounded, and at least one. With ``groups``, numbers, all
    images of a group come into one part, and shares and proportions hold as far as that allows.

    Args:
        labels: the class of each image (N,).
        parts: the part that the source gives each image (N,).
        spec: the shares and the seed.
        groups: the group of each image (N,), None where there are none.

    Raises:
        DataError: a group in two given parts, or too few groups.
    """
    given = {part: np.flatnonzero(parts == number) for number, part in enumerate(PARTS)}
    shares = {
        "validation": 0.0 if len(given["validation"]) else spec.validation,
        "test": 0.0 if len(given["test"]) else spec.test,
    }
    pool = given["train"]
    if groups is not None:
        return split_groups(labels, groups, given, shares, spec.seed)
    shuffled = pool[np.random.default_rng(spec.seed).permutation(len(pool))]
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class by class, each shuffled
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    drawn: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    for members in np.split(order, starts[1:]):
        tests = _held_out(len(members), shares["test"], keep=2)
        validations = _held_out(len(members) - tests, shares["validation"], keep=1, of=len(members))
        drawn["test"].append(members[:tests])
        drawn["validation"].append(members[tests : tests + validations])
        drawn["train"].append(members[tests + validations :])
    found = {part: np.concatenate(pieces) for part, pieces in drawn.items()}
    for part in ("validation", "test"):
        found[part] = np.concatenate([found[part], given[part]])
    return {part: np.sort(indices).astype(np.int64) for part, indices in found.items()}


def _held_out(count: int, share: float, *, keep: int, of: int | None = None) -> int:
    """Return how many of a class's ``count`` images are held out, leaving at least ``keep``."""
    if share == 0:
        return 0
    return max(0, min(max(1, round((of or count) * share)), count - keep))


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return ``count`` sorted positions into ``labels`` that keep the classes' proportions.

    Every class keeps at least one where ``count`` allows. Nested: with one seed, the choice for a
    smaller count lies within that for a larger one.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    sizes = sizes[sizes > 0]
    rank = np.concatenate([np.arange(size) for size in sizes])  # place within its class
    share = np.repeat(sizes, sizes)
    # The r-th image of a class of n comes at (r + 1/2) / n of the way; first ones come first.
    place = np.where(rank == 0, -1.0, (rank + 0.5) / share)
    return np.sort(order[np.lexsort((shuffled.argsort()[order], place))[:count]])
