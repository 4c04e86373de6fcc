"""The conformance walk over the slot `operator`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="operator", exports=pytest.mark.slow)
