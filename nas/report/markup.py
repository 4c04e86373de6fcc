"""A page of HTML from its parts: template, style and script, which its policy names by hash."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def asset(name: str) -> str:
    """Return the text of a file in ``assets/``."""
    folder = resources.files("plugnas.nas.report").joinpath("assets")
    return folder.joinpath(name).read_text(encoding="utf-8")


def filled(template: str, *, style: str, script: str, **parts: str) -> str:
    """Return a template of ``assets/`` with its style, its script and further parts filled in.

    Args:
        template: file name; ``@@NAME@@`` in it stands for a part.
        style: the whole style sheet.
        script: the whole program.
        parts: by name; they must be safe where the template puts them.
    """
    parts |= {
        "STYLE": style,
        "STYLE_HASH": _hash(style),
        "SCRIPT": script,
        "SCRIPT_HASH": _hash(script),
    }
    pieces = asset(template).split("@@")  # text, name, text, name, ..., text
    return "".join(parts[p] if i % 2 else p for i, p in enumerate(pieces))


def _hash(text: str) -> str:
    """Return what a content security policy calls an element with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


__all__ = ["asset", "filled"]
