"""The report of a run: one HTML file that needs no network and no other file."""

from plugnas.nas.report.page import page

__all__ = ["page"]
