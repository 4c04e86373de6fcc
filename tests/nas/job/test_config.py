"""Jobs: what they may say, what they mean, and errors that name file, path and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plugnas.nas import tasks
from plugnas.nas.job import config as jobs
from plugnas.space import ConfigError, SearchSpace

MINIMAL = {"space": {"stages": [{"width": 8}]}}
EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def test_defaults_and_round_trip():
    job = jobs.parse({**MINIMAL, "budget": {"flops": "2M", "params": 5000}})
    assert job.limits == {"flops": 2e6, "params": 5000.0}
    assert job.sampler_config.name == "predictor"
    assert jobs.parse(yaml.safe_load(jobs.to_yaml(job))) == job


@pytest.mark.parametrize(
    ("text", "number"), [("2M", 2e6), ("1.5G", 1.5e9), ("500k", 5e5), ("2e6", 2e6), (7, 7.0)]
)
def test_quantities(text, number):
    assert jobs.quantity(text, "x") == number


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"trails": 5}, "unknown key `trails`; did you mean `trials`"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"trials": "many"}, "trials: expected"),
        ({"objectives": {}}, "name at least one"),
        ({"objectives": {"flops": "min"}}, "every one is a cost"),
        ({"objectives": {"accuracy": "max", "flops": "max"}}, "must be `min`"),
        ({"budget": {"flop": 1}}, "`flop` is no cost"),
        ({"budget": {"flops": "2 MB"}}, "must be a number such as"),
        ({"budget": {"flops": -1}}, "above 0"),
        ({"workers": 0}, "workers must be at least 1, but got 0"),
        ({"executor": "rya"}, "executor: name: `rya` is none of local, ray, serial; did you mean"),
        ({"executor": {"cpus": -1}}, r"executor.cpus must be at least 0"),
        ({"executor": {"name": "local", "address": "a:1"}}, "address is that of a Ray cluster"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"timeout": -3}, "timeout must be above 0"),
        ({"evaluation_timeout": 0}, "evaluation_timeout must be above 0"),
        ({"aim": "limits"}, "belong together"),
        ({"limits": {"flops": ["2M"]}}, "belong together"),
        ({"aim": "limits", "limits": {"params": [1]}}, "limits.params must be a cost that is an"),
        ({"aim": "limits", "limits": {"flops": [0]}}, "limits.flops must be a list of numbers"),
        ({"aim": "limits", "limits": {"flops": ["2X"]}}, "limits.flops must be a number such as"),
        ({"latency": {"batch": 0}}, "latency.batch must be at least 1, but got 0"),
        ({"confirm": {"seeds": 0}}, "confirm.seeds must be at least 1"),
        ({"callbacks": ["tensorbord"]}, "did you mean `tensorboard`"),
        ({"objectives": {"flops": "mn"}}, "`mn` is none of max, min; did you mean `min`"),
        ({"proxy": {"rungs": [1]}}, r"rungs\[0\]: expected `mapping`, got `int`"),
        ({"space": {"stages": [{"widht": 8}]}}, r"space.stages\[0\]: unknown key `widht`"),
    ],
)
def test_errors_name_file_path_and_remedy(changes, law):
    with pytest.raises(ConfigError, match=law) as error:
        jobs.parse({**MINIMAL, **changes}, "my.yaml")
    assert str(error.value).startswith("my.yaml")


def test_files(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        jobs.load(tmp_path / "job.yaml")
    (tmp_path / "jobs.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="did you mean `jobs.yaml`"):
        jobs.load(tmp_path / "job.yaml")
    with pytest.raises(ConfigError, match="not valid YAML"):
        jobs.load(tmp_path / "jobs.yaml")
    (tmp_path / "twice.yaml").write_text("trials: 6\nseed: 1\ntrials: 7\n")
    with pytest.raises(ConfigError, match="`trials` is given twice"):
        jobs.load(tmp_path / "twice.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="mapping of keys, but got list"):
        jobs.load(tmp_path / "list.yaml")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_jobs_load(path):
    job = jobs.load(path)
    host = job.space.host
    if host is not None and host.weights is not None and not (path.parent / host.weights).exists():
        pytest.skip(f"the weights that {path.name} names are not here")
    head = tasks.create(job.task, path.parent).head
    shape = (1, 8, 8) if "digits" in path.name else (3, 32, 32)  # a host has the size of its images
    space = SearchSpace.from_config(job.space, shape, 10, base=path.parent, head=head)
    assert space.size > 1
