"""The HTML of a report: template, style, scripts and data in one text."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources

from plugnas.nas.report.data import gather
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
    style = "\n" + _text("page.css")
    script = "\n".join(['\n"use strict";', *(_text(name) for name in SCRIPTS)])
    parts = {
        "TITLE": html.escape(f"{data['run']}: front of {data['evaluated']} networks"),
        "STYLE": style,
        "STYLE_HASH": _hash(style),
        "DATA": embedded(data),
        "SCRIPT": script,
        "SCRIPT_HASH": _hash(script),
    }
    pieces = _text("page.html").split("@@")  # text, name, text, name, ..., text
    return "".join(parts[p] if i % 2 else p for i, p in enumerate(pieces))


def embedded(data: object) -> str:
    """Return JSON that cannot end the script element around it, whatever names it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(text: str) -> str:
    """Return what a content security policy calls an element with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(name: str) -> str:
    return (
        resources.files("plugnas.nas.report").joinpath("assets", name).read_text(encoding="utf-8")
    )


__all__ = ["embedded", "page"]
