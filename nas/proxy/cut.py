"""A frozen network cut in two: what comes before everything that learns, and the rest."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from plugnas.nas.tasks.outputs import answer_of

_EXAMPLES = 3  # images by which the two halves are compared with the whole


@dataclass(frozen=True)
class Cut:
    """``after(*before(x))`` is what the network computes; ``before`` learns nothing.

    Both call the network's own modules. ``before`` returns a tuple of tensors (B, ...).
    """

    before: fx.GraphModule
    after: fx.GraphModule


def cut(network: nn.Module, learning: Collection[nn.Module], images: Tensor) -> Cut | None:
    """Cut a network in eval mode before the first module that learns; None where it cannot be.

    A forward that decides by the values of its tensors cannot be cut, nor one that learns from the
    images themselves.

    Args:
        network: the network, with plugs that run as hooks.
        learning: the modules whose weights change.
        images: a few images (B, C, H, W), by which the halves are tried.
    """
    images = images[:_EXAMPLES]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            graph = _Tracer(learning).trace(network)
            halves = _halves(network, graph, set(learning), images)
            if halves is None:
                return None
            whole = answer_of(network(images))
            joined = answer_of(halves.after(*halves.before(images)))
    except Exception:  # noqa: BLE001 - a foreign forward that cannot be traced is trained whole
        return None
    return halves if isinstance(whole, Tensor) and torch.equal(whole, joined) else None


class _Tracer(fx.Tracer):
    """Looks into the modules in which something learns or is hooked, and into no others."""

    def __init__(self, learning: Collection[nn.Module]) -> None:
        super().__init__()
        self._learning = set(learning)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is called as one."""
        if m in self._learning or not any(True for _ in m.children()):
            return True
        return not (m._forward_hooks or self._holds(m))

    def _holds(self, m: nn.Module) -> bool:
        inner = (x for x in m.modules() if x is not m)
        return any(x in self._learning or x._forward_hooks for x in inner)


def _halves(
    network: nn.Module, graph: fx.Graph, learning: set[nn.Module], images: Tensor
) -> Cut | None:
    values, fewer = _Values(network, graph), _Values(network, graph)
    values.run(images)
    fewer.run(images[:-1])
    fixed: dict[fx.Node, Any] = {}
    rest = {node for node in graph.nodes if node.op == "output"}
    for node in graph.nodes:
        learns = node.op == "call_module" and _learns(network, str(node.target), learning)
        if learns or any(source in rest for source in node.all_input_nodes):
            rest.add(node)
    while True:  # what is no tensor of the batch is computed again, with its own inputs
        border = [node for node in _border(graph, rest) if node not in fixed]
        foreign = [n for n in border if not _of_batch(values.found.get(n), len(images))]
        if not foreign:
            break
        sizes = {n: values.found[n] for n in foreign if _is_size(n, values.found, fewer.found)}
        fixed |= sizes
        if sizes:
            continue
        if any(n.op == "placeholder" for n in foreign):
            return None
        rest.update(foreign)
    if any(n.op == "placeholder" for n in border):
        return None
    before, after = _before(graph, border), _after(graph, rest, border, fixed)
    return Cut(fx.GraphModule(network, before), fx.GraphModule(network, after))


def _learns(network: nn.Module, path: str, learning: set[nn.Module]) -> bool:
    module = network.get_submodule(path)
    return bool(module._forward_hooks) or any(m in learning for m in module.modules())


def _border(graph: fx.Graph, rest: set[fx.Node]) -> list[fx.Node]:
    """Return the nodes before the cut that the rest reads, in order."""
    read = {s for n in rest for s in n.all_input_nodes if s not in rest}
    return [node for node in graph.nodes if node in read]


def _is_size(node: fx.Node, one: dict[fx.Node, Any], other: dict[fx.Node, Any]) -> bool:
    """Whether a node is a size that all batches share, such as the images' height and width."""
    value = one.get(node)
    whole = isinstance(value, tuple) and all(isinstance(v, int) for v in value)
    return (whole or isinstance(value, int)) and value == other.get(node)


def _of_batch(value: Any, count: int) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == count


def _before(graph: fx.Graph, border: list[fx.Node]) -> fx.Graph:
    needed = set(border)
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    new = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in needed or node.op == "placeholder":
            made[node] = new.node_copy(node, lambda n: made[n])
    new.output(tuple(made[node] for node in border))
    return new


def _after(
    graph: fx.Graph, rest: set[fx.Node], border: list[fx.Node], fixed: dict[fx.Node, Any]
) -> fx.Graph:
    new = fx.Graph()
    made: dict[fx.Node, Any] = {n: _plain(value) for n, value in fixed.items()}
    for number, node in enumerate(border):
        made[node] = new.placeholder(f"feature{number}")
    for node in graph.nodes:
        if node in rest:
            made[node] = new.node_copy(node, lambda n: made[n])
    return new


def _plain(value: Any) -> Any:
    """Return a size as plain numbers, which a graph takes as a constant."""
    return tuple(map(int, value)) if isinstance(value, tuple) else int(value)


class _Values(fx.Interpreter):
    """Runs a graph and keeps what every node gave."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(fx.GraphModule(network, graph), garbage_collect_values=False)
        self._names = {node.name: node for node in graph.nodes}
        self.found: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and keep its value."""
        value = super().run_node(n)
        self.found[self._names[n.name]] = value
        return value


__all__ = ["Cut", "cut"]
