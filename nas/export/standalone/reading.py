"""Reading safetensors with torch alone; the generated model.py holds a copy of this."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file: the length of its header, the header in JSON, the tensors' bytes."""
    data = bytearray(path.read_bytes())
    try:
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:begin])
        header.pop("__metadata__", None)
        state = {}
        for name, about in header.items():
            count, offset = math.prod(about["shape"]), begin + about["data_offsets"][0]
            dtype = _DTYPES[about["dtype"]]
            tensor = torch.frombuffer(data, dtype=dtype, count=count, offset=offset)
            state[name] = tensor.reshape(about["shape"]).clone()
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged or truncated: {error}") from None
    return state
