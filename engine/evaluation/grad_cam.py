"""Grad-CAM: which parts of an image speak for a class (Selvaraju et al. 2017, arXiv:1610.02391), as numbers.

Taken where the forward pass last knows positions. The same map behind a random head is the check whether it shows what
was learnt (Adebayo et al. 2018, arXiv:1810.03292). Not here: pictures (overlay), and where they are kept (jobs).
"""

import copy
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from engine.errors import BackboneError
from engine.models.chain import Chain
from engine.models.trace import trace

GridLayout = Literal["channels_first", "channels_last", "tokens", "class_token"]

_AT_ONCE = 8
"""So many values are asked for their gradient at a time, from the head back: mostly the last will do, in ViT the
seventh from the end."""


@dataclass(frozen=True, kw_only=True)
class TargetLayer:
    """The last value of a forward pass in which neighbours in the image are neighbours, and on which the answer
    depends."""

    chain: Chain
    graph: fx.Graph
    node: fx.Node
    layout: GridLayout

    @property
    def name(self) -> str:
        """What gives the value: the path of a layer, or a function."""
        return str(self.node.target) if isinstance(self.node.target, str) else self.node.target.__name__


def find_target_layer(chain: Chain, image: Tensor) -> TargetLayer:
    """Where to look, found by running `chain` on one square `image` [1, 3, S, S]. BackboneError when there is no such
    place.

    In ViT the answer hangs on the class token alone, so behind the last attention the other tokens are dead ends: those
    are passed over, because no gradient comes back to them.
    """
    graph = trace(chain.model, training=False)
    recorded = _Recorded(chain.model, graph=graph)
    recorded.values = {}
    with torch.enable_grad():
        recorded.run(image.detach().clone().requires_grad_())
    values = recorded.values
    head = next(node for node in graph.nodes if node.target == chain.head)
    features = values[head.all_input_nodes[0]]
    # ViT's features sum to a constant
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0)).to(features)
    candidates = _candidates(graph, head, values)
    for first in range(0, len(candidates), _AT_ONCE):
        some = candidates[first : first + _AT_ONCE]
        asked = [values[node] for node, _ in some]
        gradients = torch.autograd.grad((features * noise).sum(), asked, allow_unused=True, retain_graph=True)
        for (node, layout), gradient in zip(some, gradients, strict=True):
            if gradient is not None and int(_grid(gradient, layout).abs().sum(dim=(0, 1)).count_nonzero()) > 1:
                return TargetLayer(chain=chain, graph=graph, node=node, layout=layout)
    raise BackboneError(
        f"What {chain.backbone} looks at cannot be shown: before its head nothing tells one place from another. "
        "Train with a larger image size or another backbone."
    )


def heat_maps(layer: TargetLayer, images: Tensor, target: int, *, head: nn.Module | None = None) -> np.ndarray:
    """float32 [N, S, S] in 0..1 for normalised images [N, 3, S, S]: how much each place speaks for the class with
    number `target`.

    The strongest place of each image is 1; all is 0 where nothing speaks for the class. `head` takes the place of the
    model's own.
    """
    from captum.attr import LayerGradCam  # here, because it loads matplotlib, which no other job needs

    watched = _Watched(layer, head)
    coarse = LayerGradCam(watched, watched.seen).attribute(images, target=target, relu_attributions=True).detach()
    maps = functional.interpolate(coarse.float(), images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    peaks = maps.amax(dim=(1, 2), keepdim=True)
    return torch.where(peaks > 0, maps / peaks, 0.0).cpu().numpy()


def random_maps(layer: TargetLayer, images: Tensor, target: int, *, seed: int) -> np.ndarray:
    """As `heat_maps`, behind a head that has learnt nothing. Where such a head says nothing, its negative, just as
    random, speaks."""
    head = _random_head(layer.chain.model.get_submodule(layer.chain.head), seed)
    maps = heat_maps(layer, images, target, head=head)
    if (silent := ~maps.any(axis=(1, 2))).any():
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.neg_()
        maps[silent] = heat_maps(layer, images, target, head=head)[silent]
    return maps


class _Recorded(fx.Interpreter):
    """Runs a graph and keeps the tensors that its nodes gave."""

    values: dict[fx.Node, Tensor]

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.values[n] = value
        return value


class _Watched(nn.Module):
    """The model as a module whose layer `seen` is handed the value at the layer, as a grid, and hands it on."""

    def __init__(self, layer: TargetLayer, head: nn.Module | None) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self._run = _Diverted(layer, self.seen, head)

    def forward(self, images: Tensor) -> Tensor:
        logits = self._run.run(images)
        assert isinstance(logits, Tensor)
        return logits


class _Diverted(fx.Interpreter):
    """Leads the value at the layer through `seen`. Layers behind it that write in place write into a copy of theirs."""

    def __init__(self, layer: TargetLayer, seen: nn.Module, head: nn.Module | None) -> None:
        super().__init__(layer.chain.model, graph=layer.graph)
        self._layer, self._seen, self._head = layer, seen, head

    def run_node(self, n: fx.Node) -> object:
        if self._head is not None and n.target == self._layer.chain.head:
            (features,), _ = self.fetch_args_kwargs_from_env(n)
            return self._head(features)
        value = super().run_node(n)
        if n is not self._layer.node:
            return value
        return _ungrid(self._seen(_grid(value, self._layer.layout)), value, self._layer.layout)


def _candidates(graph: fx.Graph, head: fx.Node, values: dict[fx.Node, Tensor]) -> list[tuple[fx.Node, GridLayout]]:
    """Values of one image that may have positions, the last first. Parameters may look like them and are none."""
    nodes = list(graph.nodes)
    before = [node for node in nodes[: nodes.index(head)] if node.op.startswith("call") and node in values]
    layouts = [(node, _layout(values[node])) for node in reversed(before) if values[node].requires_grad]
    return [(node, layout) for node, layout in layouts if layout is not None]


def _layout(value: Tensor) -> GridLayout | None:
    """How a value of one square image holds positions: a square of at least 2 x 2 of them, or None."""
    shape = value.shape
    if value.ndim == 4 and shape[0] == 1:
        if shape[2] == shape[3] > 1:
            return "channels_first"
        return "channels_last" if shape[1] == shape[2] > 1 else None
    if value.ndim == 3 and shape[0] == 1 and shape[1] > 3:
        if math.isqrt(shape[1]) ** 2 == shape[1]:
            return "tokens"
        return "class_token" if math.isqrt(shape[1] - 1) ** 2 == shape[1] - 1 else None
    return None


def _grid(value: Tensor, layout: GridLayout) -> Tensor:
    """[N, C, h, w] of a value in any layout; a class token, which stands first, is left out."""
    if layout == "channels_first":
        return value
    if layout == "channels_last":
        return value.permute(0, 3, 1, 2)
    patches = value[:, 1:] if layout == "class_token" else value
    return patches.transpose(1, 2).unflatten(2, (math.isqrt(patches.shape[1]), -1))


def _ungrid(grid: Tensor, value: Tensor, layout: GridLayout) -> Tensor:
    """The inverse of `_grid`; the class token comes back from `value`."""
    if layout == "channels_first":
        return grid
    if layout == "channels_last":
        return grid.permute(0, 2, 3, 1)
    patches = grid.flatten(2).transpose(1, 2)
    return torch.cat([value[:, :1], patches], dim=1) if layout == "class_token" else patches


def _random_head(head: nn.Module, seed: int) -> nn.Module:
    """A layer like `head` with normal weights and no bias; their scale does not matter, because maps are scaled to
    1."""
    made, generator = copy.deepcopy(head), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (parameter.ndim > 1))
    return made
