"""What a ledger, a class or a file is called stays text in report.html."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from plugnas.nas.report.data import gather
from plugnas.nas.report.page import SCRIPTS, page
from plugnas.nas.run.view import RunView
from tests.nas.report.browser import needs_browser, probe
from tests.nas.report.synthetic_run import make_run

EVIL = (
    "\"'><img src=x onerror=\"document.title='owned'\"></td></script><script>alert(1)</script>`x`"
)
ASSETS = resources.files("plugnas.nas.report").joinpath("assets")
KNOWN = {
    "b", "br", "button", "circle", "code", "dd", "details", "div", "dl", "dt", "g", "h3", "i",
    "li", "line", "optgroup", "option", "p", "path", "pre", "rect", "small", "span", "summary",
    "svg", "table", "tbody", "td", "text", "th", "thead", "tr", "ul",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects a page's elements, their attributes, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inner: dict[str, str] = {}
        self.open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag if tag in ("script", "style") else None
        if self.open is not None:
            self.inner[tag] = ""

    def handle_data(self, data: str) -> None:
        if self.open is not None:
            self.inner[self.open] += data

    def handle_endtag(self, tag: str) -> None:
        self.open = None


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """A run in which everything that may have a name has a hostile one."""
    run = make_run(tmp_path_factory.mktemp("run") / "<img src=x onerror=alert(1)>", trials=30)
    seen = RunView.open(run)
    hostile = [
        replace(m, reason=EVIL, status="failed", worker=EVIL)
        if m.number % 5 == 3
        else replace(m, extra={"confusion": [[3, 1], [0, 2]]})
        for m in seen.measurements
    ]
    return replace(seen, measurements=tuple(hostile))


def spoiled(value: Any, *, key: str = "") -> Any:
    """Put a hostile text in the place of every text of the page's data."""
    if isinstance(value, dict):
        return {k: spoiled(v, key=k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoiled(v, key=key) for v in value]
    kept = ("cost", "costs", "knee", "id", "direction", "name", "position", "slot", "verdict")
    return value if not isinstance(value, str) or key in kept else EVIL


def test_the_page_s_policy_names_its_style_and_script_by_hash(view: RunView) -> None:
    tags = Tags(page(view))
    (policy,) = [a["content"] for t, a in tags.found if a.get("http-equiv")]
    assert policy is not None and "unsafe" not in policy and "default-src 'none'" in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(tags.inner[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert [t for t, _ in tags.found].count("script") == 2  # the data, the program
    assert not any(name == "style" or name.startswith("on") for _, a in tags.found for name in a)
    assert "img" not in [t for t, _ in tags.found]


def test_markup_is_made_in_one_place_alone() -> None:
    """Text that is put together with tags goes through the template that escapes it."""
    source = "\n".join(ASSETS.joinpath(name).read_text() for name in SCRIPTS)
    assert source.count("innerHTML") == 1
    assert source.count("new Markup") == 1
    for unsafe in ("outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style="):
        assert unsafe not in source


NODE = shutil.which("node")
STUB = """
const shown = [], element = (id) => new Proxy({
  id, clientWidth: 900, offsetWidth: 10, offsetHeight: 10, style: {}, dataset: {},
  addEventListener() {}, querySelectorAll: () => [], scrollIntoView() {},
  getBoundingClientRect: () => ({ x: 0, y: 0 }), textContent: id === "data" ? TEXT : "",
}, { set(target, name, value) {
  if (name === "innerHTML") shown.push(value);
  target[name] = value;
  return true;
} });
const elements = new Map();
globalThis.document = {
  getElementById(id) {
    if (!elements.has(id)) elements.set(id, element(id));
    return elements.get(id);
  },
  querySelectorAll: () => [], documentElement: { clientWidth: 900 },
};
globalThis.window = { addEventListener() {}, scrollX: 0, scrollY: 0 };
"""


@pytest.mark.skipif(NODE is None, reason="no node")
@pytest.mark.parametrize("confirmed", [False, True])
def test_no_text_of_the_data_becomes_an_element(
    view: RunView, tmp_path: Path, *, confirmed: bool
) -> None:
    """Defect: `"attempt": "<img onerror=...>"` of a foreign ledger was run by the browser."""
    data = gather(view)
    data["failures"]["rows"] = [
        {**row, "attempt": EVIL, "rung": EVIL, "seed": EVIL, "number": EVIL}
        for row in data["failures"]["rows"]
    ]
    data = spoiled(data)
    if confirmed:
        one = data["networks"][0]["id"]
        member = {"id": one, "kind": EVIL, "n": EVIL, data["cost"]: EVIL}
        data["confirmation"] = {"members": [member], "verdicts": [EVIL]}
    program = "\n".join(ASSETS.joinpath(name).read_text() for name in SCRIPTS)
    tips = "\nfor (const n of DATA.networks) showTip(n, {});\nconsole.log(JSON.stringify(shown));"
    text = f"const TEXT = {json.dumps(json.dumps(data))};\n{STUB}\n{program}{tips}"
    (tmp_path / "page.js").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(NODE), str(tmp_path / "page.js")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    shown = json.loads(done.stdout)
    assert len(shown) > 10
    assert any("&#60;img" in text for text in shown)
    assert any("data-heat" in text and "<th>&#34;" in text for text in shown)  # names of classes
    for text in shown:
        for tag, attributes in Tags(text).found:
            assert tag in KNOWN
            assert not any(name.startswith("on") or name == "style" for name in attributes), text


@needs_browser
def test_in_a_browser_nothing_foreign_runs(view: RunView, tmp_path: Path) -> None:
    script = """(view, page) => ({title: page.title, images: page.querySelectorAll('img').length,
      failures: page.getElementById('failures-body').textContent})"""
    found, console = probe(page(view), script, tmp_path)
    assert found["images"] == 0
    assert "owned" not in found["title"]
    assert EVIL in found["failures"]
    assert not console
