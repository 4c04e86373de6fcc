"""The conformance walk over the slot `pooling`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="pooling", exports=pytest.mark.slow)
