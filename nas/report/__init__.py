"""The report of a run: one HTML file that holds everything and asks nobody for anything."""

from plugnas.nas.report.page import page

__all__ = ["page"]
