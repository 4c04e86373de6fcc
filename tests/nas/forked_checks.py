"""A process that has loaded torch and nothing else, and forks itself for every check of an export.

A check in a fresh process takes seconds, nearly all of them to load torch. Here torch is loaded
once, under the same refusals, and each check runs in a child that knows as little as a fresh
process does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from plugnas.nas.export import check

SCRIPT = Path(check.__file__).parent / "standalone" / "check.py"
SERVER = """
import contextlib, importlib.machinery, importlib.util, json, os, pathlib, runpy, sys, traceback

script, paths, refused = json.loads(sys.argv[1])
spec = importlib.util.spec_from_file_location("check", script)
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)
before = list(sys.path)
sys.path += paths
ordinary = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[ordinary] = check.Without(refused)
import torch
with contextlib.suppress(ImportError):  # what torch.export.load imports in its call
    import torch._export.serde.serialize
    import torch.export.pt2_archive._package
sys.meta_path[ordinary] = importlib.machinery.PathFinder
sys.path[:] = before
for line in sys.stdin:
    request = pathlib.Path(line.rstrip("\\n"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            errors = os.open(request.with_suffix(".errors"), os.O_WRONLY | os.O_CREAT)
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            os.chdir(request.parent)
            sys.argv = [script, str(request)]
            runpy.run_path(script, run_name="__main__")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Checker:
    """Answers as ``check._run`` does; its process starts with the first check."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def __call__(self, request: Path) -> subprocess.CompletedProcess[str]:
        if self._server is None:
            given = json.dumps([str(SCRIPT), check._library_paths([]), check.REFUSED])
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-W", "ignore", "-c", SERVER, given],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self._server.stdin is not None and self._server.stdout is not None
        print(request, file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        errors = request.with_suffix(".errors").read_text()
        return subprocess.CompletedProcess([], code, "", errors)

    def close(self) -> None:
        """End the process."""
        if self._server is not None:
            self._server.communicate()
