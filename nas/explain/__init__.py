"""Which module pays, in which slot, at what cost, how sure."""

from plugnas.nas.explain.effect import Effect
from plugnas.nas.explain.effects import ExplainError, Explanation, explain

__all__ = ["Effect", "ExplainError", "Explanation", "explain"]
