"""The conformance walk over the slot `transform`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="transform", exports=pytest.mark.slow)
