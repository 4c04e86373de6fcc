"""Confirming a run: its front and as many random architectures, trained long and tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from plugnas.modules import PlugnasError
from plugnas.nas.confirm.hosted import controls_of
from plugnas.nas.confirm.outcome import Confirmation, paths, read
from plugnas.nas.confirm.recipe import long_recipe, recipe_before
from plugnas.nas.confirm.training import LEARN_FROM, SCORE_ON, LongTraining
from plugnas.nas.cost import NetworkCost
from plugnas.nas.executors.callbacks import listeners
from plugnas.nas.executors.function import OwnTraining
from plugnas.nas.executors.measure import Evaluator
from plugnas.nas.job.config import Job
from plugnas.nas.job.prepared import Prepared
from plugnas.nas.job.settings import settings_of
from plugnas.nas.machine.log import logger
from plugnas.nas.proxy import Proxy, Recipe
from plugnas.nas.run.prepare_again import prepare_again
from plugnas.nas.run.summary import why_empty
from plugnas.nas.run.view import RunView
from plugnas.nas.samplers import SpaceExhausted
from plugnas.nas.samplers import create as create_sampler
from plugnas.nas.study.drive import Listener
from plugnas.nas.study.fixed import measure_all
from plugnas.space import Architecture


class ConfirmError(PlugnasError):
    """A confirmation that cannot be made: no front, no test images, another recipe before."""


def confirm(
    view: RunView,
    *,
    seeds: int | None = None,
    epochs: int | None = None,
    on_event: Sequence[Listener] = (),
) -> Confirmation | None:
    """Train the front's members and as many random architectures long, and score them.

    In a host the controls are the host unchanged and, for each member of the front, a placebo of
    equal parameters in place of each of its plugs.

    They learn from train and validation images and are scored on the test images. Each is also
    given the proxy's training again, under a seed that the search did not use. What was confirmed
    before is kept, a stopped confirmation goes on. ``seeds`` and ``epochs`` are by default the
    job's. Returns None where it was interrupted before anything was confirmed.

    Args:
        view: the run.
        seeds: trainings of each; by default the job's.
        epochs: of the long recipe; by default the job's.
        on_event: called with each event of the trainings.

    Raises:
        ConfirmError: there is nothing to confirm, or not so.
    """
    from plugnas.nas.job.workers import evaluator, executor

    run, metric = view.job_run, view.metric
    job = run.job
    wanted = (job.confirm.seeds if job.confirm else 3) if seeds is None else seeds
    if wanted < 1:
        raise ConfirmError(f"a confirmation takes at least one seed, but got {wanted}")
    if not view.front:
        raise ConfirmError(f"{why_empty(view)}: nothing to confirm")
    prepared = prepare_again(run)
    recipe, own = long_recipe(view, prepared.dataset, epochs), settings_of(job).varied
    _check(view, prepared, recipe)
    front = [m.architecture for m in view.front]
    of_host = prepared.space.host is not None
    controlled = _has_control(job)
    beside = controls_of(prepared.space, front) if controlled and of_host else None
    random = random_control(view, prepared, len(front)) if controlled and not of_host else []
    other = random if beside is None else beside.architectures
    space = prepared.space if beside is None else beside.space
    cost = prepared.cost
    if beside is not None:
        cost = NetworkCost(space, cost.table, dtype=cost.dtype)
    proxy = evaluator(prepared)
    long, again = paths(run.path)
    unused = range(job.first_unused_seed, job.first_unused_seed + wanted)
    about = {
        "recipe": {n: v for n, v in msgspec.to_builtins(recipe).items() if n not in own},
        **({"recipe_varies": list(own)} if own else {}),
        "learn_from": LEARN_FROM,
        "score_on": SCORE_ON,
        "test_images": len(prepared.dataset.test),
        "seeds": list(unused),
        "front": [a.id for a in front],
        "control": [a.id for a in random],
        **({} if beside is None else beside.about()),
    }
    everyone = list(dict.fromkeys([*front, *other]))
    objectives = {metric.name: metric.direction}
    if run.job.proxy.rungs and run.job.proxy.rungs[-1].zero_cost is None:
        logger.info(
            "the proxy again, seed %d: %d of the front, %d %s",
            unused[0], len(front), len(other), "random" if beside is None else "host and placebos",
        )  # fmt: skip
        short, folder = proxy.last_rung(), again.with_suffix("")
        outcome = measure_all(
            everyone,
            unused[:1],
            again,
            space,
            cost,
            lambda: executor(prepared, short, job.evaluation_timeout, folder),
            objectives=objectives,
            about={"again": about},
            on_event=_heard(job, on_event, folder),
        )
        if outcome.reason == "interrupted":
            return read(view)
    tested = f", tested on {about['test_images']} images" if job.evaluate is None else ""
    logger.info("long trainings: %d epochs, %d seeds%s", recipe.epochs, wanted, tested)
    training = _long_training(proxy, recipe, str(long.parent.resolve()))
    measure_all(
        everyone,
        unused,
        long,
        space,
        cost,
        lambda: executor(prepared, training, None, long.parent),
        objectives=objectives,
        about={"confirm": about},
        on_event=_heard(job, on_event, long.parent),
    )
    return read(view)


def _long_training(proxy: Proxy | OwnTraining, recipe: Recipe, folder: str) -> Evaluator:
    if isinstance(proxy, Proxy):
        return LongTraining(proxy, recipe, folder)
    return replace(proxy, rungs=(recipe.epochs,), final=True, folder=folder)


def _has_control(job: Job) -> bool:
    return job.confirm is None or job.confirm.control


def _heard(job: Job, on_event: Sequence[Listener], folder: Path) -> list[Listener]:
    """Return all that receive the events of trainings, callbacks included, as in a search."""
    own = [] if job.executor_config.name == "ray" else listeners(job.callbacks, folder)
    return [*on_event, *own]


def _check(view: RunView, prepared: Prepared, recipe: Recipe) -> None:
    """Refuse where there are no test images, or the values would not be comparable."""
    before = recipe_before(view)
    if view.job_run.job.evaluate is None and not len(prepared.dataset.test):
        raise ConfirmError(
            f"{prepared.dataset.name} keeps no test images, and a confirmation is scored on images "
            "that the search has never seen; give `data` a test part"
        )
    if before is not None and not _is(before, recipe):
        folder = paths(view.run.path)[0].parent
        raise ConfirmError(
            f"{folder} holds trainings of another recipe ({before.get('epochs')} epochs, now "
            f"{recipe.epochs}), which cannot be compared; give --epochs {before.get('epochs')}, "
            f"or move {folder} away. --show shows them as they are"
        )


def _is(stated: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a recipe as recorded, perhaps by a plugnas that knew fewer settings, is this one."""
    try:
        return msgspec.convert(stated, Recipe) == recipe
    except msgspec.ValidationError:
        return False


def random_control(view: RunView, prepared: Prepared, count: int) -> list[Architecture]:
    """Return random architectures within budget that are not on the front; always the same."""
    on = {m.id for m in view.front}
    problem = replace(
        prepared.problem,
        objectives={view.metric.name: view.metric.direction},
        levels={},
        seed=prepared.job.seed + 1_000_003,  # not the stream of a random search
    )
    sampler = create_sampler("random", problem)
    found: list[Architecture] = []
    for number in range(count + len(on)):
        try:
            architecture = sampler.ask(number)
        except SpaceExhausted:
            break
        if architecture.id not in on and len(found) < count:
            found.append(architecture)
    return found


__all__ = ["ConfirmError", "confirm", "random_control"]
