"""Confirmation of a front: long trainings, several seeds, images that the search never used."""

from plugnas.nas.confirm.outcome import Confirmation, Confirmed, read
from plugnas.nas.confirm.run import ConfirmError, confirm

__all__ = ["ConfirmError", "Confirmation", "Confirmed", "confirm", "read"]
