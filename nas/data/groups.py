"""The division of the images by groups: what shows one patient or video stays in one part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plugnas.nas.data.errors import DataError
from plugnas.nas.data.source import PARTS


def split_groups(
    labels: np.ndarray,
    groups: np.ndarray,
    given: Mapping[str, np.ndarray],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, np.ndarray]:
    """Return the sorted indices of each part; every group lies in one of them.

    Groups are given out one by one, the largest first, each to the part that lacks most of what it
    has, class by class. A group with all images of some class is trained on.

    Args:
        labels: class of each image, int64 (N,).
        groups: number of each image's group, int64 (N,).
        given: indices by part as the source gives them.
        shares: of validation and test to be drawn from the training images; 0: drawn already.
        seed: of the order among groups of one size.

    Raises:
        DataError: a group in two given parts, or fewer groups than parts.
    """
    _check_apart(groups, given)
    pool = given["train"]
    numbers, place = np.unique(groups[pool], return_inverse=True)
    counts = np.zeros((len(numbers), int(labels.max()) + 1))
    np.add.at(counts, (place, labels[pool]), 1)
    drawn = [part for part in ("validation", "test") if shares[part] > 0]
    if len(numbers) <= len(drawn):
        raise DataError(
            f"the training images have {len(numbers)} groups, too few to keep some of them for "
            f"{' and '.join(drawn)}; give the parts in the column `split`"
        )
    homes = _give_out(counts, {part: shares[part] for part in drawn}, seed)
    found = {part: [given[part]] if part != "train" else [] for part in PARTS}
    for part in ("train", *drawn):
        found[part].append(pool[np.isin(place, np.flatnonzero(homes == PARTS.index(part)))])
    return {
        part: np.sort(np.concatenate(all_of)).astype(np.int64) for part, all_of in found.items()
    }


def _give_out(counts: np.ndarray, shares: Mapping[str, float], seed: int) -> np.ndarray:
    """Return the number of each group's part; ``counts`` are images by group and class."""
    total = np.maximum(counts.sum(0), 1)
    wanted = {"train": 1 - sum(shares.values()), **shares}
    lacking = {part: share * total for part, share in wanted.items()}
    only = (counts == counts.sum(0)) & (counts > 0)  # the one group that has a class
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    by_size = shuffled[np.argsort(-counts[shuffled].sum(1), kind="stable")]
    order = [g for g in by_size if only[g].any()] + [g for g in by_size if not only[g].any()]
    homes = np.zeros(len(counts), dtype=np.int64)
    empty = [part for part in wanted if part != "train"]
    for done, group in enumerate(order):
        allowed = ["train"] if only[group].any() else list(wanted)
        if len(order) - done <= len(empty) and not only[group].any():
            allowed = list(empty)  # the last groups fill what has none yet
        part = max(allowed, key=lambda p: float((counts[group] * lacking[p] / total).sum()))
        lacking[part] = lacking[part] - counts[group]
        homes[group] = PARTS.index(part)
        empty = [p for p in empty if p != part]
    if empty:
        raise DataError(
            f"every group has all images of some class, so that none is left for {empty[0]}; "
            "give the parts in the column `split`"
        )
    return homes


def _check_apart(groups: np.ndarray, given: Mapping[str, np.ndarray]) -> None:
    seen: dict[int, str] = {}
    for part, indices in given.items():
        for group in np.unique(groups[indices]).tolist():
            if group in seen:
                image = int(indices[groups[indices] == group][0])
                raise DataError(
                    f"a group lies in two parts, {seen[group]} and {part} (image {image}, counted "
                    "from 0): the search would be judged by images that it has trained on; put "
                    "each group into one part"
                )
            seen[group] = part


__all__ = ["split_groups"]
