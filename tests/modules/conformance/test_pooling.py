"""The conformance walk over the slot `pooling`."""

from plugnas.modules.testing import conformance_tests

test_conformance = conformance_tests(slot="pooling")
