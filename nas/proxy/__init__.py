"""The cheap training that stands in for the real one."""

from plugnas.nas.machine.device import DeviceError, resolve_device, seeded
from plugnas.nas.proxy.defaults import STEPS, default_rungs, steps_of
from plugnas.nas.proxy.evaluator import Proxy
from plugnas.nas.proxy.recipe import Recipe, RecipeError
from plugnas.nas.proxy.result import Training
from plugnas.nas.proxy.training import train

__all__ = [
    "STEPS",
    "DeviceError",
    "Proxy",
    "Recipe",
    "RecipeError",
    "Training",
    "default_rungs",
    "resolve_device",
    "seeded",
    "steps_of",
    "train",
]
