"""Trace: the forward pass of a model as a graph, cut into segments where exactly one tensor is live.

A segment becomes a plain function (model, x) -> x that runs the model's own modules; nothing is copied, so training
through the segments trains the model. Not here: names of stages, heads, weights.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, fx, nn

from engine.errors import BackboneError
from engine.models.sources.source import SOURCES

Forward = Callable[[nn.Module, Tensor], Tensor]

_CONTAINERS = frozenset(name for source in SOURCES.values() for name in source.containers)
_LEAF_MODULES = tuple(name for source in SOURCES.values() for name in source.leaf_modules)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
DROPOUTS = nn.modules.dropout._DropoutNd


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of the forward pass with one tensor going in and one coming out."""

    unit: str
    """Path of the module that this stretch is about: `layer3.1`."""
    nodes: tuple[fx.Node, ...]
    graph: fx.Graph
    """The same stretch as a graph of its own."""
    forward: Forward


def trace(model: nn.Module, *, training: bool) -> fx.Graph:
    """The forward pass of `model` in train or eval mode, for functions may read it. Modes are left as they were."""
    try:
        with in_mode(model, training=training):
            return _Tracer().trace(model)
    except Exception as error:
        raise BackboneError(
            f"{type(model).__name__} cannot be cut into blocks: its forward pass depends on the data ({error}). "
            "Choose another backbone."
        ) from error


@contextmanager
def in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Inside, `model` is in train or eval mode; afterwards every layer is as it was."""
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def segments(model: nn.Module, graph: fx.Graph, head: str) -> tuple[Segment, ...]:
    """`graph` cut before every unit that holds weights, wherever only one tensor is live; the last segment is the head.

    Norms and whatever holds no parameters stay with the unit before them, but nothing is ever cut after a dropout:
    a dropout belongs to the unit behind it, so that what precedes a cut is the same in every step.
    """
    nodes = [node for node in graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    units = [_unit(model, _path(node), head) for node in nodes]
    layers = [layer_of(model, node) for node in nodes]
    starts, names, kind = [0], [""], type(model).__name__
    for index in range(len(nodes)):
        if units[index] == names[-1] or not _holds_weights(model, units[index], head):
            continue
        glue = index  # what stands between the unit before and this one
        while glue > 0 and units[glue - 1] != names[-1] and not has_parameters(layers[glue - 1]):
            glue -= 1
        start = next((place for place in range(glue, index) if isinstance(layers[place], DROPOUTS)), index)
        if not names[-1]:
            names[-1] = units[index]
        elif _live_value(nodes, start) is not None:
            starts.append(start)
            names.append(units[index])
    bounds = [*starts, len(nodes)]
    pieces = [tuple(nodes[first:last]) for first, last in itertools.pairwise(bounds)]
    found = []
    for name, piece, start in zip(names, pieces, starts, strict=True):
        title = f"{name} of {kind}"
        own = _graph(piece, _live_value(nodes, start), title)
        found.append(Segment(unit=name, nodes=piece, graph=own, forward=compiled(own, title)))
    return tuple(found)


def tensors_of(model: nn.Module, segment: Segment) -> set[str]:
    """Names of all parameters and buffers that `segment` reads."""
    names: set[str] = set()
    for node in segment.nodes:
        if (module := layer_of(model, node)) is not None:
            tensors = (*module.named_parameters(), *module.named_buffers())
            names.update(f"{node.target}.{name}" for name, _ in tensors)
        names.update(str(source.target) for source in node.all_input_nodes if source.op == "get_attr")
    return names


def modules_of(model: nn.Module, segment: Segment) -> tuple[nn.Module, ...]:
    """The layers that `segment` calls, in order: those whose mode and hooks matter to it."""
    return tuple(module for node in segment.nodes if (module := layer_of(model, node)) is not None)


def layer_of(model: nn.Module, node: fx.Node) -> nn.Module | None:
    """The layer that `node` calls, if it calls one."""
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def compiled(graph: fx.Graph, name: str) -> Callable[..., Tensor]:
    """`graph` as a function of the model and its placeholders; `name` is what tracebacks say."""
    code = graph.python_code("self")
    namespace = dict(code.globals)
    # as fx.GraphModule does, less its copy of the modules
    exec(compile(code.src, f"<block {name}>", "exec", dont_inherit=True), namespace)
    return namespace["forward"]


def has_parameters(layer: nn.Module | None) -> bool:
    return layer is not None and next(layer.parameters(), None) is not None


def _opens(module: nn.Module) -> bool:
    """Whether to look inside. A conv with its norm and activation is one unit, whatever container holds it."""
    kinds = (kind for kind in type(module).__mro__ if issubclass(kind, nn.Module) and _is_container(kind))
    container = next(kinds, None)
    if container is None or _is_leaf(module) or type(module).forward is not container.forward:
        return False
    children = list(module.children())
    composite = any(list(child.children()) and not _is_leaf(child) for child in children)
    return composite or sum(_has_matrix(child) for child in children) > 1


def _has_matrix(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


class _Tracer(fx.Tracer):
    """Leaves whole what torch.nn and the sources define as layers: their `training` is read when they run, not now."""

    proxy_buffer_attributes = True  # else MaxViT's position index becomes a constant that `.to(device)` would not move

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _is_leaf(m) or super().is_leaf_module(m, module_qualified_name)


def scopes(node: fx.Node) -> tuple[str, ...]:
    """Paths of the modules in which `node` runs, the innermost, which may be what it calls, last."""
    # what is called for the second time stands there as `relu@1`
    stack = tuple(path.partition("@")[0] for path in node.meta.get("nn_module_stack") or ())
    return tuple(dict.fromkeys([*stack, str(node.target)])) if node.op == "call_module" else stack


def _path(node: fx.Node) -> str:
    """Path of the module in which `node` runs; '' for the model itself."""
    return next(reversed(scopes(node)), "")


def _unit(model: nn.Module, path: str, head: str) -> str:
    """The outermost module on `path` that is not a container; '' when the path ends in one."""
    parts = path.split(".") if path else []
    for depth in range(1, len(parts) + 1):
        unit = ".".join(parts[:depth])
        if not _opens(model.get_submodule(unit)) and not head.startswith(f"{unit}."):
            return unit
    return ""


def _is_container(kind: type[nn.Module]) -> bool:
    """Whether modules of this class run their children in order and little else: a cut between two is natural."""
    return kind in (nn.Sequential, nn.ModuleList) or f"{kind.__module__}.{kind.__qualname__}" in _CONTAINERS


def _is_leaf(module: nn.Module) -> bool:
    return any(f"{kind.__module__}.".startswith(_LEAF_MODULES) for kind in type(module).__mro__)


def _holds_weights(model: nn.Module, unit: str, head: str) -> bool:
    return bool(unit) and (unit == head or _has_matrix(model.get_submodule(unit)))


def _live_value(nodes: list[fx.Node], start: int) -> fx.Node | None:
    """The only value that `nodes[start:]` need from before; None when they need several. Parameters can be read
    anywhere."""
    needed = {source for node in nodes[start:] for source in node.all_input_nodes if source.op != "get_attr"}
    needed -= set(nodes[start:])
    return needed.pop() if len(needed) == 1 else None


def _graph(nodes: tuple[fx.Node, ...], entry: fx.Node | None, name: str) -> fx.Graph:
    """`nodes` with the value `entry` as their only input."""
    if entry is None:
        raise BackboneError(f"The block {name} needs more than one tensor. Choose another backbone.")
    graph = fx.Graph()
    copies = {entry: graph.placeholder("x")}
    for node in nodes:
        for source in node.all_input_nodes:
            if source.op == "get_attr" and source not in copies:
                copies[source] = graph.node_copy(source)
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[nodes[-1]])
    return graph


def output_chain(graph: fx.Graph) -> Iterator[fx.Node]:
    """The nodes that lead to the output, last first, along the first input of each."""
    node = next(node for node in reversed(graph.nodes) if node.op == "output")
    while node.all_input_nodes:
        node = node.all_input_nodes[0]
        yield node
