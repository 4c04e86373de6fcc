"""The conformance walk over the slot `stage`."""

import pytest

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="stage", exports=pytest.mark.slow)
