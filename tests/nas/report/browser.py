"""A page in headless Chromium: its DOM after a probe ran in it, and what it said on the console."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_browser = pytest.mark.skipif(BINARY is None, reason="no chromium (apt-get install chromium)")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--enable-logging=stderr", "--v=0",
    "--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND",
]  # fmt: skip


def probe(page: str, script: str, folder: Path, *, width: int = 1180) -> tuple[Any, list[str]]:
    """Run ``script`` (an expression that gives JSON data) in the page; return it and the console.

    The page stands in a frame of the given width, for a window cannot be as narrow as a phone.
    """
    wrapper = f"""<!doctype html><body><iframe id="frame" width="{width}" height="900"></iframe>
<pre id="result">nothing</pre><script>
const frame = document.getElementById("frame");
frame.onload = () => {{
  const view = frame.contentWindow, page = frame.contentDocument;
  let found;
  try {{ found = (({script}))(view, page); }} catch (error) {{ found = "failed: " + error; }}
  document.getElementById("result").textContent = JSON.stringify(found);
}};
frame.srcdoc = {json.dumps(page).replace("<", chr(92) + "u003c")};
</script>"""
    file = folder / "probe.html"
    file.write_text(wrapper, encoding="utf-8")
    done = subprocess.run(
        [str(BINARY), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"file://{file}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    text = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert text, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(text[1])), console
