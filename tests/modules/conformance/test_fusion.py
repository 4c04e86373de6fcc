"""The conformance walk over the slot `fusion`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="fusion", exports=pytest.mark.slow)
