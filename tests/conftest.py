"""Settings of torch and of the test processes; torch's must stand before it is imported."""

import gc
import logging
import os

# The cache of fake tensors makes a first torch.export nearly twice as slow, and each test exports
# once. Programs that tests start inherit it.
os.environ.setdefault("TORCH_FAKE_TENSOR_DISPATCH_CACHE", "0")

import pytest
import torch  # it sets its loggers up when it is imported

# pytest listens to every logger that does not pass its records on, and torch, once somebody listens
# to its trace, writes down each step of an export, which makes exports a sixth slower.
logging.getLogger("torch.__trace").propagate = True

# Without an accelerator, torch.manual_seed keeps itself and the whole stack, as text, for each kind
# of device that might be started later: a millisecond each time, and memory that grows.
if not torch.accelerator.is_available():
    torch.manual_seed = torch.default_generator.manual_seed


@pytest.hookimpl(optionalhook=True)  # also without xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests that wait for processes leave theirs to others."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 3


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of later garbage collections, half a second each."""
    gc.collect()
    gc.freeze()
