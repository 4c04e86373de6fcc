"""The conformance walk over the slot `context`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="context", exports=pytest.mark.slow)
