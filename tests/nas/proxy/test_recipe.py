"""The learning rate's course, and which trainings share their beginning."""

import itertools

import msgspec
import pytest

from plugnas.modules import PlugnasError
from plugnas.nas.proxy import Recipe, RecipeError
from plugnas.space.typed import ConfigError, convert


def _course(recipe, steps=10):
    return [recipe.learning_rate_at(s, steps) for s in range(recipe.epochs * steps)]


def test_one_cycle_rises_to_its_peak_at_a_quarter_and_falls_to_almost_nothing():
    course = _course(Recipe(epochs=4, learning_rate=0.5))
    assert course.index(max(course)) == 10 and max(course) == pytest.approx(0.5, rel=0.05)
    assert all(a < b for a, b in itertools.pairwise(course[:11]))
    assert all(a > b for a, b in itertools.pairwise(course[10:]))
    assert 0 < course[0] < 0.06 and 0 < course[-1] < 0.02


def test_trapezoid_stays_until_its_cooldown():
    recipe = Recipe(epochs=10, learning_rate=0.5, schedule="trapezoid", cooldown=0.3)
    course = _course(recipe)
    assert course[5:70] == [0.5] * 65
    assert course[0] < course[4] < 0.5 and course[69] > course[70] > course[-1] > 0
    assert recipe.plateau_end(10) == 70


def test_a_constant_rate_is_a_trapezoid_without_sides():
    recipe = Recipe(schedule="trapezoid", warmup=0, cooldown=0)
    assert set(_course(recipe)) == {0.1}


@pytest.mark.parametrize("schedule", ["one_cycle", "trapezoid"])
@pytest.mark.parametrize("warmup", [None, 0.0, 1.0, 2.5])
@pytest.mark.parametrize("steps", [1, 7])
def test_rates_are_positive_and_within_the_peak(schedule, warmup, steps):
    recipe = Recipe(epochs=3, schedule=schedule, warmup=warmup)
    assert all(0 < rate <= 0.1 for rate in _course(recipe, steps))


def test_longer_trapezoids_begin_alike():
    short = Recipe(epochs=4, schedule="trapezoid")
    longer = msgspec.structs.replace(short, epochs=12)
    until = short.plateau_end(10)
    assert _course(short)[:until] == _course(longer)[:until]
    assert short.begins_like(longer) and not longer.begins_like(short)
    for change in ({"images": 100}, {"learning_rate": 0.2}, {"resolution": 4}, {"warmup": 1.0}):
        assert not short.begins_like(msgspec.structs.replace(longer, **change))
    assert not Recipe(epochs=4).begins_like(Recipe(epochs=12))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"epochs": 0}, "epochs must be at least 1, but got 0"),
        ({"images": 0}, "images must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"momentum": 1.0}, "momentum must be below 1"),
        ({"epochs": 2.5}, "epochs: expected `int`"),
        ({"weight_decay": -1e-4}, "at least 0"),
        ({"shift": -1}, "shift must be at least 0"),
        ({"zero_cost": "nasvot"}, "did you mean `naswot`"),
    ],
)
def test_bad_values(fields, text):
    with pytest.raises(RecipeError, match=text) as caught:
        Recipe(**fields)
    assert isinstance(caught.value, PlugnasError)
    with pytest.raises(ConfigError, match="job.yaml"):
        convert(fields, Recipe, "job.yaml")
