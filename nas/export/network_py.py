"""The class ``Network`` of ``model.py``, and the classes of space that it is made of."""

from __future__ import annotations

from collections.abc import Iterator

from plugnas.nas.export.expressions import Call
from plugnas.nas.export.subject import Subject
from plugnas.nas.export.written import dotted
from plugnas.space import Network
from plugnas.space.block import Block
from plugnas.space.decoder import Level

# Blocks and levels are handed their modules instead of a plan of them; the rest of the class is
# space's own.
_BLOCK_INIT = """\
def __init__(
    self,
    *,
    operator: nn.Module,
    norm: nn.Module,
    activation: nn.Module,
    attention: nn.Module,
    shortcut: nn.Module,
    fusion: nn.Module,
) -> None:
    super().__init__()
    self.operator = operator
    self.norm = norm
    self.activation = activation
    self.attention = attention
    self.shortcut = shortcut
    self.fusion = fusion
"""

_LEVEL_INIT = """\
def __init__(
    self,
    *,
    lower: nn.Module,
    upsampling: nn.Module,
    lateral: nn.Module,
    fusion: nn.Module,
    operator: nn.Module,
    norm: nn.Module,
    activation: nn.Module,
    attention: nn.Module,
) -> None:
    super().__init__()
    self.lower = lower
    self.upsampling = upsampling
    self.lateral = lateral
    self.fusion = fusion
    self.operator = operator
    self.norm = norm
    self.activation = activation
    self.attention = attention
"""

CONSTRUCTORS = {dotted(Block): _BLOCK_INIT, dotted(Level): _LEVEL_INIT}


def network_text(subject: Subject, calls: dict[str, Call]) -> str:
    """Return the class, whose children are these calls by name."""
    channels, height, width = subject.input_shape
    lines = [
        "class Network(nn.Module):",
        f'    """{_kinds(calls)}.',
        "",
        f"    (B, {channels}, {height}, {width}) -> logits {subject.output_shape}.",
        '    """',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *(call.text(8, f"self.{name} = ") for name, call in calls.items()),
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
    ]
    return "\n".join([*lines, *_forward(subject, calls)])


def _kinds(calls: dict[str, Call]) -> str:
    return f"Stem, stages of blocks, context, {'decoder, ' if 'decoder' in calls else ''}head"


def _forward(subject: Subject, calls: dict[str, Call]) -> Iterator[str]:
    """Yield the statements of Network.forward."""
    sources = subject.network.sources if isinstance(subject.network, Network) else []
    if subject.dense:
        yield "        size = x.shape[-2:]"
    for name in calls:
        if name == "decoder":
            for number, source in enumerate(sources, start=1):
                yield f"        x = self.decoder.level{number}(x, {source})"
        elif name == "head":
            yield f"        return self.head(x{', size' if subject.dense else ''})"
        else:
            kept = f"{name} = " if name in sources else ""
            yield f"        x = {kept}self.{name}(x)"


__all__ = ["CONSTRUCTORS", "network_text"]
