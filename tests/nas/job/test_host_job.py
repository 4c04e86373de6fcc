"""The quick-start host: its weights are beside the job, small, and fit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch

from plugnas.nas.job.announcement import announcement
from plugnas.nas.job.config import load
from plugnas.nas.job.prepared import prepare
from plugnas.space import SearchSpace
from plugnas.space.host import plugged_keys

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def test_the_quick_start_host_is_whole():
    assert (EXPERIMENTS / "host_digits.safetensors").stat().st_size < 300_000
    job = load(EXPERIMENTS / "host_digits.yaml")
    space = SearchSpace.from_config(job.space, (1, 8, 8), 10, base=EXPERIMENTS)
    assert space.host.trace.notes == ()  # its classes are the digits: nothing is replaced
    unchanged = space.build(space.architecture(space.host.unchanged()))
    assert plugged_keys(unchanged) == []
    x = torch.rand(2, 1, 8, 8)
    plugged = space.build(space.neighbours(space.architecture(space.host.unchanged()))[0])
    assert plugged_keys(plugged)
    assert torch.equal(plugged.eval()(x), unchanged.eval()(x))


def test_a_search_says_how_the_images_of_a_trained_host_are_normalised():
    job = load(EXPERIMENTS / "host_digits.yaml")
    told = "\n".join(announcement(prepare(job, EXPERIMENTS)))
    assert "normalised by the mean 0.305 " in told and "names those" in told
    given = msgspec.structs.replace(job, data={"source": "digits", "mean": [0.5], "std": [0.25]})
    told = "\n".join(announcement(prepare(given, EXPERIMENTS)))
    assert "by the mean 0.5 and the standard deviation 0.25\n" in told
