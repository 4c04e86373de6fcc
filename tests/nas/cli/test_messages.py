"""What plugnas says: silent in a library, on standard error in a command."""

from __future__ import annotations

import logging
import subprocess
import sys

from plugnas.nas.cli import main
from plugnas.nas.cli.messages import messages_shown
from plugnas.nas.machine.log import logger


def test_a_library_use_is_silent_until_it_asks():
    code = (
        "import logging, sys\n"
        "from plugnas.nas.machine.log import logger\n"
        "logger.info('not asked'); logger.warning('not asked either')\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stdout)\n"
        "logger.info('asked')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("asked\n", "")


def test_a_command_prints_messages_and_marks_warnings(capsys):
    with messages_shown():
        logger.info("100%% of %d", 3)
        logger.warning("3% is lost")
    assert capsys.readouterr().err == "100% of 3\nnas: warning: 3% is lost\n"


def test_nothing_is_left_of_a_command(capsys):
    level, handlers = logger.level, list(logger.handlers)
    assert main(["modules", "--slot", "nonsense"]) == 2
    assert (logger.level, logger.handlers) == (level, handlers)
    logger.info("not asked")
    assert "not asked" not in capsys.readouterr().err


def test_there_is_one_logger():
    found = [name for name in logging.root.manager.loggerDict if name.startswith("plugnas")]
    assert found == ["plugnas"]
