"""Training one network on one data set by one recipe."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from plugnas.nas.data import DataError, Dataset
from plugnas.nas.machine.device import (
    deterministic,
    random_state,
    resolve_device,
    resolve_precision,
    restore_random_state,
    seeded,
)
from plugnas.nas.machine.threads import threads
from plugnas.nas.proxy.auxiliary import loss_of, own_labels, watching
from plugnas.nas.proxy.batches import EXAMPLES, some, spread, steps_per_epoch
from plugnas.nas.proxy.learning import optimiser_of, source_of, training_mode
from plugnas.nas.proxy.norms import estimate_statistics, rows_for_statistics, trained_norms
from plugnas.nas.proxy.recipe import Recipe
from plugnas.nas.proxy.result import Training, signal_of
from plugnas.nas.proxy.states import StateFile
from plugnas.nas.tasks import Task
from plugnas.nas.tasks.classification import Classification
from plugnas.nas.tasks.outputs import answer_of

_SCORE_BATCH = 128  # as fast as any more, and no more memory than a training step of 64
_SCORE_PIXELS = 2**20  # in a batch of images with masks, of which every pixel has its outputs


def train(
    network: nn.Module | Callable[[], nn.Module],
    dataset: Dataset,
    recipe: Recipe,
    *,
    task: Task | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    learn_from: Sequence[str] = ("train",),
    score_on: str = "validation",
    cpu_threads: int = 1,
    state: StateFile | None = None,
    keep_state: bool = True,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> Training:
    """Train and score a network, or what a function builds with weights drawn from ``seed``.

    With a ``state`` file the result is the same as without, and it is a function of the arguments
    alone; no global random stream, thread count or setting is left changed.

    Args:
        network: the network, or a function that builds it.
        dataset: the images.
        recipe: how it is trained.
        task: loss and metrics; by default those of one class per image.
        seed: of weights, order and moves.
        device, precision: `auto`, or torch's text of a device and a number format.
        learn_from, score_on: parts of the data set.
        cpu_threads: threads of torch.
        state: a file from which the training goes on.
        keep_state: whether it leaves one for a longer recipe.
        on_epoch: is told each entry of the curve.

    Raises:
        RecipeError, DataError, DeviceError, TaskError: what is asked for cannot be.
        MemoryError: it does not fit; torch.OutOfMemoryError on a GPU.
    """
    where = resolve_device(device)
    number = resolve_precision(precision, where)
    wall, cpu = time.perf_counter(), time.process_time()
    with threads(cpu_threads), seeded(seed, where), deterministic(where):
        try:
            built = network if isinstance(network, nn.Module) else network()
            images = dataset.on(where)
            settled = (Classification() if task is None else task).prepared(dataset)
            course = Course(
                built, images, recipe, settled, seed, where, number, learn_from, score_on
            )
            reused = course.resume(state)
            course.run(state if keep_state else None, on_epoch)
        except RuntimeError as error:
            if "allocate memory" in str(error):
                raise MemoryError(str(error).splitlines()[0]) from error
            raise
    scored = course.curve[-1] if course.curve and course.reason is None else {}
    values = {name: scored.get(name, math.nan) for name in course.task.metrics}
    return Training(
        network=course.network,
        values=values,
        loss=scored.get("loss", math.nan),
        curve=tuple(course.curve),
        signal=signal_of(course.curve, recipe.ranked_epochs),
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        epochs_reused=reused,
        images=len(course.scored),
        reason=course.reason,
        details=course.details if course.reason is None else {},
    )


@dataclass
class Course:
    """A training under way: network, optimiser, and how far it has come."""

    network: nn.Module
    dataset: Dataset
    recipe: Recipe
    task: Task
    seed: int
    device: torch.device
    number: torch.dtype
    learn_from: Sequence[str]
    score_on: str
    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network = self.network.to(self.device).to(memory_format=torch.channels_last)
        self.indices = some(self.dataset, self.learn_from, self.recipe.images, self.seed)
        self.scored = some(self.dataset, [self.score_on], self.recipe.validation_images, 0)
        if not len(self.scored) or not len(self.indices):
            raise DataError(
                f"{self.dataset.name} has {len(self.indices)} images to train on and "
                f"{len(self.scored)} in `{self.score_on}` to score on; set a larger share"
            )
        self.per_epoch = steps_per_epoch(len(self.indices), self.recipe.batch_size)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.epoch_start = self.generator.get_state()
        self.optimiser = optimiser_of(self.network, self.recipe)
        used, where = torch.cat([self.indices, self.scored]), (self.device, self.number)
        source = source_of(self.network, self.recipe, self.dataset, used, *where)
        self.forward, self.batches = source
        self.sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # loss, hits
        self.auxiliary: list[Tensor] = []

    def resume(self, state: StateFile | None) -> float:
        """Go on from a saved state if there is one; return the epochs that saves."""
        found = None if state is None else state.read(self.device)
        if found is None or found["step"] > self.recipe.plateau_end(self.per_epoch):
            return 0.0
        self.network.load_state_dict(found["network"])
        self.optimiser.restore(found["optimiser"])
        self.generator.set_state(found["epoch_start"].cpu())
        restore_random_state({k: v.cpu() for k, v in found["random"].items()}, self.device)
        self.step, self.curve = found["step"], found["curve"]
        self.sums.copy_(found["sums"])
        return self.step / self.per_epoch

    def run(
        self, state: StateFile | None, on_epoch: Callable[[Mapping[str, float]], None] | None
    ) -> None:
        """Train to the end of the recipe and score."""
        with watching(self.network, self.task) as self.auxiliary:
            self._run(state, on_epoch)

    def _run(
        self, state: StateFile | None, on_epoch: Callable[[Mapping[str, float]], None] | None
    ) -> None:
        while self.step < self.recipe.epochs * self.per_epoch and self.reason is None:
            self._run_epoch(state)
            if self.reason is None:
                self._close_epoch()
                if on_epoch is not None and self.curve:
                    on_epoch(self.curve[-1])
        never_fell = self.step == self.recipe.plateau_end(self.per_epoch)
        if state is not None and never_fell and self.reason is None:
            self._leave_at_end(state)

    def _leave_at_end(self, state: StateFile) -> None:
        """Save a training whose rate never fell: a longer one goes on with its next epoch."""
        self.epoch_start = self.generator.get_state()
        saved = self._state()
        if not self.recipe.validate_every_epoch:  # a longer one would not have scored here
            scored = {*self.task.metrics, "loss"}
            saved["curve"][-1] = {k: v for k, v in saved["curve"][-1].items() if k not in scored}
        state.write(saved)

    def _run_epoch(self, state: StateFile | None) -> None:
        training_mode(self.network, self.recipe, self.step // self.per_epoch)
        self.epoch_start = self.generator.get_state()
        plateau_end = self.recipe.plateau_end(self.per_epoch)
        skip = self.step % self.per_epoch
        for x, y in self.batches.epoch(self.indices, self.recipe.batch_size, self.generator, skip):
            if self.step == plateau_end and state is not None:
                state.write(self._state())
            loss = self.learn(x, y)
            # Reading the loss waits for the device: each step on a CPU, else once an epoch.
            if self.device.type == "cpu" and not math.isfinite(float(loss)):
                self._diverged()
                return
        if not bool(torch.isfinite(self.sums[0])):
            self._diverged()

    def learn(self, x: Tensor, y: Any) -> Tensor:
        """Make one optimiser step and return the loss."""
        rate = self.recipe.learning_rate_at(self.step, self.per_epoch)
        outputs = self._outputs(x)
        smoothing, logits = self.recipe.label_smoothing, answer_of(outputs)
        loss = loss_of(self.task, outputs, self.auxiliary, y, smoothing)
        self.optimiser.zero_grad()
        if loss.requires_grad:  # of a frozen host without plugs nothing learns
            loss.backward()
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step(rate, self.recipe.host_share(self.step // self.per_epoch))
        self.step += 1
        loss = loss.detach()
        with torch.no_grad():
            hits = (
                self.task.hits(logits, own_labels(y)) if self.task.told else torch.zeros_like(loss)
            )
            self.sums += torch.stack([loss.double() * len(y), hits.double()])
        return loss

    def _outputs(self, x: Tensor) -> Any:
        """Return what the network returns, in float32."""
        if self.number is torch.float32:
            return self.forward(x)
        with torch.autocast(self.device.type, self.number):
            y = self.forward(x)
        return {k: v.float() for k, v in y.items()} if isinstance(y, dict) else y.float()

    def _logits(self, x: Tensor) -> Tensor:
        return answer_of(self._outputs(x))

    def _diverged(self, which: str = "training") -> None:
        epoch = (self.step - 1) // self.per_epoch + 1
        self.reason = (
            f"diverged: the {which} loss was no finite number in epoch {epoch} of "
            f"{self.recipe.epochs} (learning rate {self.recipe.learning_rate:g})"
        )

    def _close_epoch(self) -> None:
        loss, hits = (self.sums / len(self.indices)).tolist()
        epoch = self.step // self.per_epoch
        told = {f"train_{self.task.told}": hits} if self.task.told else {}
        point = {"epoch": epoch, "train_loss": loss, **told}
        if self.recipe.validate_every_epoch or epoch == self.recipe.epochs:
            self._estimate_statistics()
            point |= self.score()
            if not math.isfinite(point["loss"]):
                self._diverged("validation")
                return
        self.curve.append(point)
        self.sums.zero_()

    def _estimate_statistics(self) -> None:
        """Estimate the norms' statistics from some training images, as they are, unmoved."""
        rows = rows_for_statistics(self.indices)
        chunks = rows.tensor_split(max(1, round(len(rows) / self._score_batch)))
        norms = trained_norms(self.network)
        images = (self.batches.plain(chunk)[0] for chunk in chunks)
        estimate_statistics(self.network, norms, images, self._logits)

    @property
    def _score_batch(self) -> int:
        """How many images are scored at a time."""
        if not self.dataset.masked:
            return _SCORE_BATCH
        pixels = math.prod(self.dataset.input_shape[1:])
        return max(2, min(_SCORE_BATCH, _SCORE_PIXELS // pixels))

    @torch.inference_mode()
    def score(self) -> dict[str, float]:
        """Return metrics and loss of the whole scored part, from tallies added up."""
        self.network.eval()
        tallies = (
            self.task.tally(self._logits(x), y)
            for x, y in map(self.batches.plain, self.scored.split(self._score_batch))
        )
        whole = functools.reduce(self.task.add, tallies)
        self.details = self.task.details(whole)
        if self.dataset.masked:
            shown = self.batches.plain(spread(self.scored, EXAMPLES))[0]
            self.details["answers"] = self.task.answers(self._logits(shown))
        return self.task.score(whole)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state(),
            "epoch_start": self.epoch_start,
            "random": random_state(self.device),
            "sums": self.sums,
            "curve": [dict(point) for point in self.curve],
        }
