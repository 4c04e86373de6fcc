"""The conformance suite: what every module must do, as checks for our zoo and for yours.

``check_module("my_key")`` runs all of it. With pytest, one line in a test file gives a test for
each setting:

    test_conformance = conformance_tests("my_key")

Nothing here needs pytest but ``conformance_tests``.
"""

from plugnas.modules.testing._case import Case, cases
from plugnas.modules.testing._failures import ConformanceError
from plugnas.modules.testing._suite import check_case, check_module, conformance_tests

__all__ = ["Case", "ConformanceError", "cases", "check_case", "check_module", "conformance_tests"]
