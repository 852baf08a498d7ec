"""Fusion: a convolution with the norm, the sum and the activation that follow it, as one kernel, for frozen blocks.

In eval mode BatchNorm is a factor and an offset for every channel, which the weights of the convolution can take in;
oneDNN adds and activates while it holds the result. The model is left alone: the weights that have taken something in
are copies that last as long as one pass. Not here: who computes like this (training.prefix, training.numerics).
"""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from engine.models.trace import compiled, layer_of

Activation = tuple[str, list[float]]
"""What oneDNN calls it, and its arguments there."""

_RELU: Activation = ("relu", [])
_ACTIVATIONS: dict[object, Activation] = {
    nn.ReLU: _RELU,
    nn.functional.relu: _RELU,
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
    nn.SiLU: ("swish", []),
}
"""By class, or by function."""
_SUMS = (operator.add, operator.iadd)

Kernel = Callable[..., Tensor]
"""(x [N, C, H, W]) -> Tensor, or (x, what is added) -> Tensor."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Calls that follow each other, each the only reader of the one before, and become one kernel."""

    nodes: tuple[fx.Node, ...]
    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None = None
    addition: fx.Node | None = None
    activation: Activation | None = None

    @property
    def inputs(self) -> list[fx.Node]:
        """What the convolution reads, and what is added to its result."""
        added = [node for node in self.addition.all_input_nodes if node not in self.nodes] if self.addition else []
        return [*self.nodes[0].all_input_nodes, *added]

    def kernel(self) -> Kernel:
        """With the weights as they are now."""
        conv, norm = self.conv, self.norm
        weight, bias = conv.weight, conv.bias
        if norm is not None and norm.running_mean is not None and norm.running_var is not None:
            mean, variance = norm.running_mean, norm.running_var
            weight, bias = fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, norm.weight, norm.bias)
        name, scalars = self.activation or (None, [])
        geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        if self.addition is None:
            convolve = torch.ops.mkldnn._convolution_pointwise.default
            return lambda x: convolve(x, weight, bias, *geometry, name or "none", scalars, "")
        add = torch.ops.mkldnn._convolution_pointwise.binary
        return lambda x, added: add(x, added, weight, bias, *geometry, "add", 1.0, name, scalars, "")


@dataclass(frozen=True, kw_only=True)
class Fused:
    """A block of `model` whose convolutions do what follows them."""

    model: nn.Module
    stretches: tuple[Stretch, ...]
    forward: Callable[..., Tensor]
    """(model, x, a kernel for every stretch) -> Tensor"""

    def prepared(self) -> Callable[[Tensor], Tensor]:
        """The block in eval mode, for as long as its weights stay what they are."""
        kernels = [stretch.kernel() for stretch in self.stretches]
        return lambda x: self.forward(self.model, x, *kernels)


def fuse(model: nn.Module, block: fx.Graph, name: str) -> Fused:
    """`block`, one segment of the forward pass of `model`, fused; it is not changed."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(block, {}))
    _open_sequences(model, graph)
    stretches = tuple(_stretches(model, graph))
    place = next(iter(graph.nodes))  # the input
    for number, stretch in enumerate(stretches):
        with graph.inserting_after(place):
            place = graph.placeholder(f"kernel_{number}")
        with graph.inserting_before(stretch.nodes[0]):
            made = graph.call_function(_call, (place, *stretch.inputs))
        stretch.nodes[-1].replace_all_uses_with(made)
        for node in reversed(stretch.nodes):
            graph.erase_node(node)
    return Fused(model=model, stretches=stretches, forward=compiled(graph, f"fused {name}"))


def _call(kernel: Kernel, *inputs: Tensor) -> Tensor:
    return kernel(*inputs)


def _open_sequences(model: nn.Module, graph: fx.Graph) -> None:
    """Layers that the trace left whole and that only run others in turn become those others."""
    for node in graph.nodes:
        layer = layer_of(model, node)
        if isinstance(layer, nn.Sequential) and type(layer).forward is nn.Sequential.forward:
            (made,) = node.all_input_nodes
            place = node
            for name, _ in layer.named_children():
                with graph.inserting_after(place):  # where this loop comes by next
                    made = place = graph.call_module(f"{node.target}.{name}", (made,))
            node.replace_all_uses_with(made)
            graph.erase_node(node)


def _stretches(model: nn.Module, graph: fx.Graph) -> Iterator[Stretch]:
    for node in graph.nodes:
        conv = layer_of(model, node)
        if type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
            stretch = _stretch(partial(layer_of, model), node, conv)
            if len(stretch.nodes) > 1:
                yield stretch


def _stretch(layer: Callable[[fx.Node], nn.Module | None], first: fx.Node, conv: nn.Conv2d) -> Stretch:
    """What begins with `conv`, as long as it goes on."""
    nodes, norm, addition, activation = [first], None, None, None
    if (node := _follower(first)) and isinstance(found := layer(node), nn.BatchNorm2d) and found.track_running_stats:
        norm = found
        nodes.append(node)
    if (node := _follower(nodes[-1])) and node.target in _SUMS and len(node.all_input_nodes) == 2:
        addition = node
        nodes.append(node)
    if node := _follower(nodes[-1]):
        known = _ACTIVATIONS.get(node.target if node.op == "call_function" else type(layer(node)))
        if known and (known is _RELU or not addition):  # oneDNN applies no other after a sum
            activation = known
            nodes.append(node)
    return Stretch(nodes=tuple(nodes), conv=conv, norm=norm, addition=addition, activation=activation)


def _follower(node: fx.Node) -> fx.Node | None:
    """The next call, if it and nothing else reads `node`: then nobody misses what `node` gave."""
    return node.next if list(node.users) == [node.next] and node.next.op != "output" else None
