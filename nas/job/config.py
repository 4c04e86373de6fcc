"""A search job: the YAML that ``nas search`` reads, typed and strict."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from plugnas.nas import tasks
from plugnas.nas.cost.budget import with_levels
from plugnas.nas.cost.quantity import Quantity, host_share, quantity
from plugnas.nas.executors import callbacks
from plugnas.nas.job.aim import check_aim, levels_of
from plugnas.nas.job.settings import as_data, with_recipe
from plugnas.nas.latency.config import LatencyConfig
from plugnas.nas.machine.reading import NotNegative, Number, Positive, Seed, Some
from plugnas.nas.proxy.config import ConfirmConfig, ProxyConfig
from plugnas.space.config import SpaceConfig
from plugnas.space.typed import ConfigError, convert, read_yaml

COSTS = ("params", "macs", "flops", "elementwise", "memory", "ram", "flash", "latency_ms")


class SamplerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sampler by name, with options of its own."""

    name: str
    """One of those that `nas search` knows: predictor, evolution, random, tpe, nsga2, nsga3, gp,
    grid, tune (Ray Tune's searchers).
    """
    options: dict[str, Any] = {}
    """The sampler's own; of `tune`: `search_alg`, `scheduler`, a name or `{name: {option: 1}}`."""


class ExecutorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where evaluations run; ``cpus`` and ``gpus`` are what one evaluation takes on a cluster."""

    name: Literal["serial", "local", "ray"] = "local"
    """`serial`: in this process; `local`: worker processes here; `ray`: a Ray cluster."""
    address: str | None = None
    """HOST:PORT of a Ray cluster; without one Ray is started on this machine."""
    cpus: NotNegative = 1
    """Processors that one evaluation takes on a cluster."""
    gpus: NotNegative = 0
    """GPUs, or a share of one, that one evaluation takes on a cluster."""
    max_failures: Number = 2  # three strikes, as without a cluster
    """How often a task whose worker died is tried again on a cluster."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One search job. Paths in it are relative to the job's own folder."""

    space: SpaceConfig
    """What can be chosen: a skeleton of ours with slots, or a host of yours with sites."""
    imports: list[str] = msgspec.field(name="import", default_factory=list)
    """Python files or packages of your own that register modules; every worker imports them."""
    data: str | dict[str, Any] | None = "digits"
    """A folder, an archive, a .csv or .npz file, `digits`, a set of torchvision, or a mapping with
    `source`. A job with `evaluate` may leave it out.
    """
    evaluate: str | None = None
    """Your own training instead of the proxy's: `train.py:function` or `package.module:function`,
    `function(network, context) -> {"map50": 0.41}`; `context.budget` are the epochs of the rung.
    """
    input: tuple[Some, Some, Some] | None = None
    """With `evaluate` and without `data`: (channels, height, width) of the images."""
    classes: int | list[str] | None = None
    """With `evaluate` and without `data`: how many outputs the network has, or their names."""
    task: str | dict[str, Any] = tasks.DEFAULT
    """What the network is for: a task's name, `{name: {option: value}}`, or `file.py:Class`."""
    objectives: dict[str, Literal["max", "min"]] = {}
    """What is wanted, name -> `max` or `min`: metrics of the task, and costs. By default the
    task's first metric, and FLOPs.
    """
    budget: dict[str, Quantity] = {}
    """Hard upper limits of params, macs, flops, elementwise, memory, ram, flash, latency_ms:
    2M, 500k, or of a host `host + 5%`; bytes of ram and flash are in the dtype of `latency`."""
    aim: Literal["front", "limits"] = "front"
    """What the predictor seeks: the front, or the best within each of `limits`."""
    named_limits: dict[str, list[Quantity]] = msgspec.field(name="limits", default_factory=dict)
    """With `aim: limits`: cost -> the limits, such as `{flops: [2M, 5M, 20M]}`."""
    sampler: str | SamplerConfig = "predictor"
    """What proposes architectures: a name, or a mapping with `name` and `options`."""
    earlier: list[str] = msgspec.field(name="from", default_factory=list)
    """Directories of earlier runs, of other data, recipes or choices, that inform the predictor;
    how much they count is learned.
    """
    prefer: dict[str, Any] = {}
    """What you expect to pay: slot or parameter -> a choice, or choices with a strength (how many
    times as likely): `{attention: se}`, `{attention: {se: 5, cbam: 0.5}}`; fades with evidence.
    """
    prior: Literal["default", "none"] = "none"
    """`default`: the effects of modules on other images, which come with the package, inform the
    predictor in a space without a host; how much they count is learned. `none`: they do not.
    """
    zero_cost: Literal["auto", "off"] = "auto"
    """`auto`: scores of untrained networks inform the predictor where they help, in searches so
    long that they cost at most 0.5 % of the trainings and of `timeout`; `off`: none.
    """
    trials: Some = 100
    """Architectures to evaluate in all."""
    timeout: Positive | None = None
    """Seconds after which nothing new is begun."""
    seed: Seed = 0
    """Seed of every random choice of the search."""
    recipe: dict[str, Any] = {}
    """Training settings of every rung and of the confirmation, by the names of a rung's. A list is
    a choice beside the modules: `{learning_rate: [0.05, 0.1, 0.2], weight_decay: 0.001}`.
    `resolution` is the size of image that the network is for, and costed. With `evaluate` names
    are your own, and `context.recipe` has the values.
    """
    proxy: ProxyConfig = ProxyConfig()
    """The cheap training that stands in for the real one."""
    seeds: Some | Literal["auto"] = 1
    """Trainings of each architecture at each rung; `auto`: one, and a leader again under a new seed
    where the predictor expects more of that than of a new network (each counts as a trial).
    """
    executor: str | ExecutorConfig = "local"
    """Where evaluations run: a name, or a mapping."""
    workers: Some | Literal["auto"] = "auto"
    """Evaluations at a time; `auto`: as many as there are processors."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:1`."""
    evaluation_timeout: Positive | None = None
    """Seconds after which one evaluation is ended and counts as failed; without it 20 times the
    median of its rung, but 600 at least."""
    latency: LatencyConfig | None = None
    """How latency is taken, where it is an objective or has a limit."""
    confirm: ConfirmConfig | None = None
    """Train the front again at the end of the search."""
    callbacks: list[str | dict[str, Any]] = []
    """Where measurements go besides the ledger: tensorboard, mlflow, wandb."""

    @property
    def seeds_of_each(self) -> int:
        """Trainings that every architecture gets at each rung."""
        return 1 if self.seeds == "auto" else self.seeds

    @property
    def first_unused_seed(self) -> int:
        """The first seed that no training of the search can have."""
        return self.trials if self.seeds == "auto" else self.seeds

    @property
    def limits(self) -> dict[str, float]:
        """The budget as numbers with the largest of ``levels``, without ``shares`` of a host."""
        numbers = {n: v for n, v in self.budget.items() if n not in self.shares}
        budget = {name: quantity(value, f"budget.{name}") for name, value in numbers.items()}
        return with_levels(budget, self.levels)

    @property
    def levels(self) -> dict[str, list[float]]:
        """The limits within each of which the best is sought, as numbers; empty for a front."""
        return levels_of(self.named_limits)

    @property
    def shares(self) -> dict[str, float]:
        """Limits relative to the host's own cost: 1.05 for ``host + 5%``."""
        found = {name: host_share(value, f"budget.{name}") for name, value in self.budget.items()}
        return {name: share for name, share in found.items() if share is not None}

    @property
    def sampler_config(self) -> SamplerConfig:
        """The sampler with its options."""
        return SamplerConfig(self.sampler) if isinstance(self.sampler, str) else self.sampler

    @property
    def executor_config(self) -> ExecutorConfig:
        """The executor with its options."""
        if isinstance(self.executor, str):
            return convert({"name": self.executor}, ExecutorConfig, "executor")
        return self.executor

    @property
    def needs_latency(self) -> bool:
        """Whether latency is an objective or has a limit."""
        return "latency_ms" in self.objectives or "latency_ms" in self.budget

    @property
    def device_dtype(self) -> str | None:
        """The dtype in which ``ram`` and ``flash`` are counted; None: neither is asked."""
        asked = {"ram", "flash"} & {*self.objectives, *self.budget, *self.named_limits}
        return (self.latency or LatencyConfig()).dtype if asked else None


def load(path: Path) -> Job:
    """Read and check a job file.

    Raises:
        ConfigError: the file is missing, or says something a job cannot say.
    """
    return parse(read_yaml(path), str(path))


def parse(data: Any, where: str = "job") -> Job:
    """Check plain data as a job; ``where`` names the file in errors."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: a job is a mapping of keys, but got {type(data).__name__}")
    job = convert(data, Job, where)
    if job.evaluate is not None and "data" not in data:
        job = msgspec.structs.replace(job, data=None)
    if job.objectives == {} and "objectives" in data:
        raise ConfigError(f"{where}: objectives: name at least one, such as {{accuracy: max}}")
    try:
        job = with_recipe(_with_objectives(job), data)
        _check(job)
    except (ConfigError, callbacks.CallbackError, tasks.TaskError) as error:
        raise ConfigError(f"{where}: {error}") from None
    return job


def _with_objectives(job: Job) -> Job:
    """Fill in what is left out and known: a task of one's own is looked at when it is prepared."""
    name, _ = tasks.parse(job.task)
    if job.evaluate is not None and not job.objectives:
        raise ConfigError(
            "objectives: with `evaluate`, name what your function returns, such as "
            "{map50: max, flops: min}"
        )
    if job.objectives or not tasks.is_name(name):
        return job
    return msgspec.structs.replace(job, objectives=tasks.default_objectives(tasks.kind(name)))


def _check(job: Job) -> None:
    if job.objectives and all(name in COSTS for name in job.objectives):
        raise ConfigError(
            "objectives: every one is a cost, which is known before anything is evaluated, so "
            "there is nothing to search for; add a metric of the task, such as {accuracy: max}"
        )
    for name, direction in job.objectives.items():
        if name in COSTS and direction != "min":
            raise ConfigError(f"objectives.{name} must be `min`, but got `{direction}`")
    check_aim(job.aim, job.levels, job.objectives)
    for name, limit in job.limits.items():
        if name not in COSTS:
            raise ConfigError(f"budget: `{name}` is no cost; costs are {', '.join(COSTS)}")
        if not 0 < limit < math.inf:  # by hand: `2M` is a number only when it has been read
            raise ConfigError(f"budget.{name} must be a number above 0, but got {limit}")
    for name in job.shares:
        if name not in COSTS[:-1]:
            counted = ", ".join(COSTS[:-1])
            raise ConfigError(f"budget.{name}: relative to the host can be {counted}")
        if job.space.host is None:
            raise ConfigError(f"budget.{name} is relative to a host, but `space` names none")
    executor = job.executor_config
    if executor.address and executor.name != "ray":
        raise ConfigError(
            f"executor.address is that of a Ray cluster, but the executor is `{executor.name}`; "
            "take `ray`, or leave the address out"
        )
    _check_images(job)
    callbacks.parse(job.callbacks)


def _check_images(job: Job) -> None:
    """Refuse a job that does not say what enters the network, or says it twice."""
    if job.evaluate is None:
        if job.data is None:
            raise ConfigError("data: a job needs images, unless it has `evaluate`")
        if job.input is not None or job.classes is not None:
            raise ConfigError("input and classes are read from the images, so leave them out")
        return
    given = [name for name in ("input", "classes") if getattr(job, name) is not None]
    if job.data is None and len(given) < 2:
        raise ConfigError(
            "a job with `evaluate` and without `data` must say what enters the network and what "
            "leaves it: `input: [3, 64, 64]` and `classes: 10`"
        )
    if job.data is not None and given:
        raise ConfigError(f"{given[0]}: is read from the images of `data`; leave one of both out")
    # by hand: in a choice of a number or a list, msgspec (0.22) takes a range for another one
    if job.classes == [] or (isinstance(job.classes, int) and job.classes < 1):
        raise ConfigError(f"classes must be at least 1, or a list of names, but got {job.classes}")


def to_yaml(job: Job) -> str:
    """The job with defaults filled in, as YAML text that ``parse`` reads back."""
    import yaml

    return yaml.safe_dump(as_data(job), sort_keys=False, allow_unicode=True)
