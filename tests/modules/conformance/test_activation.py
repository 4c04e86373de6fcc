"""The conformance walk over the slot `activation`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="activation", exports=pytest.mark.slow)
