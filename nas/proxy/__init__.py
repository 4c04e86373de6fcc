"""The cheap training that stands in for the real one."""

from nas.proxy.defaults import default_confirmation, default_rungs
from nas.proxy.evaluator import Proxy
from nas.proxy.machine import DeviceError, resolve_device, seeded
from nas.proxy.recipe import Recipe, RecipeError
from nas.proxy.training import Training, train

__all__ = [
    "DeviceError",
    "Proxy",
    "Recipe",
    "RecipeError",
    "Training",
    "default_confirmation",
    "default_rungs",
    "resolve_device",
    "seeded",
    "train",
]
