"""A plain space needs no module, so that a driver of one's own function starts and resumes fast."""

import subprocess
import sys

CODE = """
import sys
from plugnas.space import SearchSpace
space = SearchSpace({"a": {"x": {"b": [1, 2]}, "y": {}}, "c": [1, 2, 3]})
ruled = SearchSpace(
    {"a": ["x", "y"], "c": [1, 2, 3]}, refuses={("a", "c"): lambda a, c: a == "y" and c > 1}
)
adopted = space.adopt({"a": "x", "a.x.b": 2, "c": 3}).values
print(space.size, ruled.size, len(adopted), "torch" in sys.modules)
"""


def test_a_plain_space_is_counted_and_recorded_values_are_read_without_torch():
    """Defect: each loaded the whole zoo, three seconds at every start and every resume."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["9", "4", "3", "False"]
