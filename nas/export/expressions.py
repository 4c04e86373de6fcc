"""Python expressions as text, laid out as a formatter would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_WIDTH = 100


@dataclass(frozen=True)
class Call:
    """``name(arguments)``; an argument is (keyword or None, expression)."""

    name: str
    arguments: tuple[tuple[str | None, Call | str], ...] = ()

    @classmethod
    def of(cls, name: str, *positional: Call | object, **named: Call | object) -> Call:
        """Make a call; what is no call is written as a literal."""
        arguments = [(None, _expression(a)) for a in positional]
        return cls(name, (*arguments, *((k, _expression(a)) for k, a in named.items())))

    def line(self) -> str:
        """The call on one line."""
        inner = (
            (f"{key}=" if key else "") + (a if isinstance(a, str) else a.line())
            for key, a in self.arguments
        )
        return f"{self.name}({', '.join(inner)})"

    def text(self, indent: int, before: str = "", after: str = "") -> str:
        """Return ``before + call + after``; an argument per line where one line is too short."""
        line = before + self.line() + after
        if not self.arguments or (indent + len(line) <= _WIDTH and not self._tall()):
            return " " * indent + line
        lines = [" " * indent + before + self.name + "("]
        for key, argument in self.arguments:
            head = f"{key}=" if key else ""
            if isinstance(argument, Call):
                lines.append(argument.text(indent + 4, head, ","))
            else:
                lines.append(" " * (indent + 4) + head + argument + ",")
        return "\n".join([*lines, " " * indent + ")" + after])

    def _tall(self) -> bool:
        """Whether the call is a structure of its own: several modules, or one that has some."""
        inner = [a for _, a in self.arguments if isinstance(a, Call)]
        return len(inner) > 1 or any(call._tall() for call in inner)


class Raw(str):
    """An expression as it stands, such as the name of a variable."""

    __slots__ = ()


def literal(value: object) -> str:
    """Return a value as Python writes it, strings in double quotes."""
    if isinstance(value, str):
        body = repr("'" + value)[2:-1] if '"' not in value else None
        return f'"{body}"' if body is not None else repr(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def constant(name: str, values: Iterable[object]) -> str:
    """Return ``NAME = (values)``, broken into lines where it is long."""
    parts = [literal(value) for value in values]
    line = f"{name} = (" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name} = (", *(f"    {part}," for part in parts), ")"])


def _expression(value: Call | object) -> Call | str:
    if isinstance(value, Raw):
        return str(value)
    return value if isinstance(value, Call) else literal(value)
