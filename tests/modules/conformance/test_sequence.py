"""The conformance walk over the slot `sequence`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="sequence", exports=pytest.mark.slow)
