"""The HTML of a report: template, style, scripts and data in one text."""

from __future__ import annotations

import html
import json

from plugnas.nas.report.data import gather
from plugnas.nas.report.markup import asset, filled
from plugnas.nas.run.view import RunView

SCRIPTS = (
    "chart.js",
    "front.js",
    "network.js",
    "confusion.js",
    "evidence.js",
    "record.js",
    "main.js",
)


def page(view: RunView, control: RunView | None = None) -> str:
    """Return report.html: it loads no file, font or script from outside.

    A browser runs and styles by what stands here alone: the page's policy names both by their hash.
    """
    data = gather(view, control)
    return filled(
        "page.html",
        style="\n" + asset("page.css"),
        script="\n".join(['\n"use strict";', *(asset(name) for name in SCRIPTS)]),
        TITLE=html.escape(f"{data['run']}: front of {data['evaluated']} networks"),
        DATA=embedded(data),
    )


def embedded(data: object) -> str:
    """Return JSON that cannot end the script element around it, whatever names it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


__all__ = ["embedded", "page"]
