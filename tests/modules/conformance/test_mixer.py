"""The conformance walk over the slot `mixer`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="mixer", exports=pytest.mark.slow)
