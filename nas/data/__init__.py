"""Labelled images: decoded once, mapped by every process, divided into three parts."""

from nas.data.dataset import Dataset
from nas.data.errors import DataError
from nas.data.load import load
from nas.data.spec import DataSpec, parse

__all__ = ["DataError", "DataSpec", "Dataset", "load", "parse"]
