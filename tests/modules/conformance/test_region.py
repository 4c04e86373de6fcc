"""The conformance walk over the slot `region`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="region", exports=pytest.mark.slow)
