"""The size of a plain space needs no module, so that a driver of one's own function starts fast."""

import subprocess
import sys

CODE = """
import sys
from plugnas.space import SearchSpace
space = SearchSpace({"a": {"x": {"b": [1, 2]}, "y": {}}, "c": [1, 2, 3]})
ruled = SearchSpace(
    {"a": ["x", "y"], "c": [1, 2, 3]}, refuses={("a", "c"): lambda a, c: a == "y" and c > 1}
)
print(space.size, ruled.size, "torch" in sys.modules)
"""


def test_a_plain_space_is_counted_without_torch():
    """Defect: it loaded the whole zoo, three seconds at every start."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["9", "4", "False"]
