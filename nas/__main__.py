"""``python -m plugnas.nas``: the command line."""

import sys

from plugnas.nas.cli import main

sys.exit(main())
