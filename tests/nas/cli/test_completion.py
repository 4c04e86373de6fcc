"""The completion scripts: made for each shell, and bash completes with one."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from plugnas.nas.cli import COMMANDS, main


def script(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--completion", shell])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_knows_every_command(shell, capsys):
    text = script(shell, capsys)
    assert all(name in text for name in COMMANDS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["nas", "exp"], {"explain", "export"}),
        (["nas", "export", "--q"], {"--quantize"}),
        (["nas", "search", "job.yaml", "--executor", ""], {"serial", "local", "ray"}),
    ],
)
def test_bash_completes(words, found, capsys, tmp_path):
    (tmp_path / "nas.bash").write_text(script("bash", capsys))
    asked = " ".join(f"{word!r}" for word in words)
    code = (
        f"source {tmp_path}/nas.bash; COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; "
        "$(complete -p nas | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == found
