"""What a training needs of the machine: device, number format, threads, allocator, random state."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from plugnas.modules import PlugnasError
from plugnas.nas.machine.threads import threads

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_GAIN = 1.25  # bf16 must be this much faster, so that noise does not decide


class DeviceError(PlugnasError):
    """A device that this machine does not have."""


def resolve_device(device: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` means here."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"`device` must be auto, cpu or cuda, got `{device}`") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"`device: {device}` needs a CUDA GPU and torch sees {torch.cuda.device_count()}; "
            "use `cpu` or `auto`"
        )
    if found.type not in ("cpu", "cuda"):
        raise DeviceError(f"`device` must be auto, cpu or cuda, got `{device}`")
    return found


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the type of the products: bf16 on a GPU, on a CPU only where it proves faster."""
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16":
        return torch.bfloat16
    if precision != "auto":
        raise DeviceError(f"`precision` must be auto, float32 or bfloat16, got `{precision}`")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if _bf16_gains() else torch.float32


def _bf16_gains() -> bool:
    """Time both number formats on a small training step, alternating; about 0.2 seconds."""
    if not torch.cpu._is_amx_tile_supported():  # measured without AMX: 0.7 times the speed
        return False
    with seeded(0, torch.device("cpu")), threads(1):
        layers = [nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
        network = nn.Sequential(*layers, *layers).to(memory_format=torch.channels_last)
        x = torch.randn(64, 32, 16, 16).to(memory_format=torch.channels_last)
        best = {True: float("inf"), False: float("inf")}
        for _ in range(8):
            for half in best:
                start = time.process_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    loss = network(x).square().mean()
                loss.backward()
                best[half] = min(best[half], time.process_time() - start)
    return best[False] > _GAIN * best[True]


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from fresh random streams inside (weights, dropout); those outside do not move."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the random state that ``seeded`` opened."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Go on with a state that ``random_state`` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Let cuDNN choose only algorithms that give the same result each time."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


def keep_memory() -> bool:
    """Let malloc keep what is freed within a training; False where the C library is not glibc.

    Activations otherwise come from the kernel and go back to it at every step, which costs a page
    fault per 4 KiB; 256 MiB are as fast as any more. This lasts as long as the process.
    """
    mallopt = _libc_function("mallopt")
    if mallopt is None:
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    settings = {_M_MMAP_THRESHOLD: 2**30, _M_TRIM_THRESHOLD: 2**28, _M_TOP_PAD: 2**24}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])


def give_memory_back() -> None:
    """Return all freed memory to the system, between trainings; where glibc is not, do nothing.

    Every architecture has activations of other sizes, and what one leaves free is cut into pieces
    that do not fit the next: kept, it grew to 0.6 GiB over 40 trainings. The page faults that the
    next training pays for this are 1 to 2 % of a short one. A GPU's memory goes back too, for the
    other workers that share it.
    """
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    malloc_trim = _libc_function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim.argtypes = [ctypes.c_size_t]
        malloc_trim(0)


def _libc_function(name: str) -> Any:
    """Return a function of glibc, None on other systems."""
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None
