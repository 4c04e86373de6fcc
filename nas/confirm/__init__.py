"""Whether the front deserves its figures: long trainings, several seeds, images never seen."""

from plugnas.nas.confirm.outcome import Confirmation, Confirmed, read
from plugnas.nas.confirm.run import ConfirmError, confirm

__all__ = ["ConfirmError", "Confirmation", "Confirmed", "confirm", "read"]
