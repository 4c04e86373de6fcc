"""How a network is trained: the numbers, and the learning rate they give to each step."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

import msgspec

from plugnas.modules import PlugnasError, did_you_mean
from plugnas.nas.machine.reading import NotNegative, Number, Part, Positive, Probability, Some
from plugnas.nas.proxy.zero_cost import SCORES
from plugnas.space.typed import ConfigError, check_types


class RecipeError(PlugnasError, ValueError):
    """A recipe that cannot be followed (msgspec adds the path in the job)."""


SHORT = 3
"""Epochs up to which the last training loss ranks better than the sum of all (measured in
experiments/records/fidelity_cifar10.md)."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rung of the proxy, or the long training of a confirmation.

    ``images`` trains on that many images, by class in proportion; None on all. ``resolution`` is
    the height in pixels to which images are averaged down; None keeps theirs. ``schedule``:
    ``one_cycle`` rises linearly for ``warmup`` epochs (None: a quarter of all) and falls linearly
    to 0; ``trapezoid`` rises for ``warmup`` epochs (None: half of one), stays, and falls over the
    last ``cooldown`` share of all steps. Trapezoids that differ in ``epochs`` alone share their
    beginning, so that a promoted training goes on where the lower rung began to fall. ``shift`` is
    the largest random shift in pixels at the training resolution (None: an eighth of the side);
    ``mirror`` allows random mirroring (None: as the data set says). ``clip`` bounds the norm of the
    gradient. ``validation_images`` scores on that many; None on all. ``signal_epochs`` says of how
    many last epochs the training losses are summed to rank architectures within a rung (TSE-E; Ru
    et al., 2021, "Speedy performance estimation for neural architecture search"); None: of the last
    alone in a training of up to three epochs, whose first hundred steps say little, else of all.
    ``zero_cost`` names a score of the untrained network; such a rung does not train.

    In a host, ``freeze: host`` trains what is plugged in alone: the host stays in eval mode, and
    what it makes of the images before the first plug is computed once, so that images are neither
    shifted nor mirrored. ``host_learning_rate`` is the largest rate of the host's own weights, and
    for the first ``plugs_first`` epochs they do not learn.
    """

    epochs: Some = 3
    """Passes over the training images."""
    images: Some | None = None
    """Training images used, by class in proportion; all if left out."""
    resolution: Some | None = None
    """Height in pixels to which images are averaged down; theirs if left out."""
    batch_size: Some = 64
    """Images in a step of the optimiser; small ones make more steps of the same images."""
    learning_rate: Positive = 0.1
    """Largest learning rate, which the schedule rises to and falls from."""
    momentum: Part = 0.9
    """Nesterov's momentum of SGD."""
    weight_decay: NotNegative = 5e-4
    """Weight decay, of all but norms and biases."""
    schedule: Literal["one_cycle", "trapezoid"] = "one_cycle"
    """`one_cycle`: rises and falls; `trapezoid`: rises, stays, falls."""
    warmup: NotNegative | None = None
    """Epochs of rising; a quarter of all (one_cycle) or half of one (trapezoid) if left out."""
    cooldown: Part = 0.4
    """Share of all steps in which a trapezoid falls."""
    label_smoothing: Part = 0.0
    """Share of the label spread over all classes."""
    clip: Positive | None = None
    """Bound of the gradient norm; none if left out."""
    shift: Number | None = None
    """Largest random shift in pixels; an eighth of the side if left out."""
    mirror: bool | None = None
    """Whether images are mirrored at random; as the data says if left out."""
    zoom: NotNegative = 0.0
    """Largest random zoom: 0.5 shows images at 1/1.5 to 1.5 times their size; not with `freeze`."""
    mixup: NotNegative = 0.0
    """Mixup: images are mixed in pairs by shares from Beta(mixup, mixup), such as 0.2; 0: none."""
    erasing: Probability = 0.0
    """Probability with which a rectangle of an image is erased."""
    validation_images: Some | None = None
    """Validation images that are scored; all if left out."""
    validate_every_epoch: bool = False
    """Score after every epoch, not at the end alone."""
    signal_epochs: Some | None = None
    """Last epochs whose training losses are summed to rank within a rung; if left out, the last of
    a training of up to three epochs, else all.
    """
    zero_cost: str | None = None
    """`synflow`, `naswot` and the like: the rung scores untrained networks; trains if left out."""
    freeze: Literal["host"] | None = None
    """`host`: only what is plugged in (and a replaced classifier) learns, images are not moved;
    everything learns if left out.
    """
    host_learning_rate: NotNegative | None = None
    """Largest learning rate of the host's own weights; that of all if left out."""
    plugs_first: Number = 0
    """First epochs in which only what is plugged in learns."""

    def __post_init__(self) -> None:
        """Refuse values that train nothing."""
        try:
            check_types(self)
        except ConfigError as error:
            raise RecipeError(str(error)) from None
        if self.zero_cost is not None and self.zero_cost not in SCORES:
            raise RecipeError(
                f"`zero_cost` is one of {', '.join(SCORES)}, got `{self.zero_cost}`"
                f"{did_you_mean(self.zero_cost, SCORES)}"
            )
        named = [name for name in ("mixup", "erasing") if getattr(self, name)]
        if named and (self.freeze is not None or self.zero_cost is not None):
            without = "freeze" if self.freeze is not None else "zero_cost"
            raise RecipeError(f"`{named[0]}` changes images at random, which `{without}` does not")

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step counted from 0."""
        total = self.epochs * steps_per_epoch
        if self.schedule == "one_cycle":
            warmup = self.epochs / 4 if self.warmup is None else self.warmup
            start = warmup * steps_per_epoch
        else:
            start = (0.5 if self.warmup is None else self.warmup) * steps_per_epoch
        fall = start if self.schedule == "one_cycle" else self.plateau_end(steps_per_epoch)
        rising = (step + 1) / (start + 1) if step < start else 1.0
        falling = (total - step) / (total - fall + 1) if step >= fall else 1.0
        return self.learning_rate * min(rising, falling)

    @property
    def tells_host_apart(self) -> bool:
        """Whether the host's own weights learn otherwise than what is plugged in."""
        slower = self.host_learning_rate is not None or self.plugs_first > 0
        return self.freeze is not None or slower

    def host_share(self, epoch: int) -> float:
        """Return the host's learning rate as a share of the plugs', in an epoch counted from 0."""
        if epoch < self.plugs_first:
            return 0.0
        own = self.host_learning_rate
        return 1.0 if own is None else own / self.learning_rate

    def plateau_end(self, steps_per_epoch: int) -> int:
        """Return the step at which the rate begins to fall: how far longer trapezoids agree."""
        return round(self.epochs * steps_per_epoch * (1 - self.cooldown))

    @property
    def ranked_epochs(self) -> int:
        """The last epochs whose training losses rank within a rung."""
        if self.signal_epochs is not None:
            return self.signal_epochs
        return 1 if self.epochs <= SHORT else self.epochs

    def begins_like(self, longer: Recipe) -> bool:
        """Whether ``longer`` can go on from where this training's rate begins to fall."""
        same_start = self.beginning() == longer.beginning() and self.schedule == "trapezoid"
        grows = self.epochs * (1 - self.cooldown) <= longer.epochs * (1 - longer.cooldown)
        return same_start and grows and self.zero_cost is None and longer.zero_cost is None

    def beginning(self) -> str:
        """Return a digest of all that decides the steps before the rate falls."""
        later = ("epochs", "cooldown", "validation_images", "validate_every_epoch", "signal_epochs")
        known: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(self).items()}
        newer = ("zoom", "mixup", "erasing")  # absent from the digests of older runs
        told = {k: v for k, v in known.items() if k not in later and (k not in newer or v)}
        text = json.dumps(told, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
