"""Labelled images: decoded once, mapped by every process, divided into three parts."""

from plugnas.nas.data.dataset import Dataset
from plugnas.nas.data.errors import DataError
from plugnas.nas.data.load import load
from plugnas.nas.data.masks import IGNORED
from plugnas.nas.data.spec import DataSpec, parse

__all__ = ["IGNORED", "DataError", "DataSpec", "Dataset", "load", "parse"]
