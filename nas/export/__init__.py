"""Export: models that others can use without plugnas, each file checked before it is delivered."""

from plugnas.nas.export.delivery import Delivery, deliver, deliver_all
from plugnas.nas.export.errors import ExportError
from plugnas.nas.export.formats import FORMATS, Options
from plugnas.nas.export.run_export import export_members
from plugnas.nas.export.subject import Provenance, Subject
from plugnas.nas.export.tensors import load

__all__ = [
    "FORMATS",
    "Delivery",
    "ExportError",
    "Options",
    "Provenance",
    "Subject",
    "deliver",
    "deliver_all",
    "export_members",
    "load",
]
