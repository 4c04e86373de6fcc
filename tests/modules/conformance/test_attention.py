"""The conformance walk over the slot `attention`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="attention", exports=pytest.mark.slow)
