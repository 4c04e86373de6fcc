"""The conformance walk over the slot `upsampling`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="upsampling", exports=pytest.mark.slow)
