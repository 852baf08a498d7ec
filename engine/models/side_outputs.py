"""Side outputs: a chain whose head reads, beside the features right before it, the mean over positions of what every
earlier stage ends with.

Head2Toe (Evci et al. 2022, arXiv 2201.03529) in its simplest form: every stage, averaged over all positions, none of
the features left out. What lies between the first of these places and the head is one block, because more than one
tensor passes there; none of it can train. Not here: solving the head (training.solved).
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, fx, nn

from engine.errors import BackboneError
from engine.models.chain import Block, Chain, SideOutput
from engine.models.head import head_of
from engine.models.outline import blocks_by_stage
from engine.models.trace import compiled, layer_of, scopes


def with_side_outputs(chain: Chain) -> Chain:
    """`chain` with a new head, all zeros, that reads every stage; layers are shared with it, not copied.

    BackboneError where the class scores are not those of one linear layer, or no stage ends with a module.
    """
    sides = _side_outputs(chain)
    first = min(sides)
    whole, merged, ending = fx.Graph(), fx.Graph(), fx.Graph()
    value = whole.placeholder("x")
    for block in chain.blocks[: first + 1]:
        value = _appended(whole, block.graph, value)
    _with_head(whole, chain.head, _features(whole, value, chain=chain, sides=sides))
    merged.output(_features(merged, merged.placeholder("x"), chain=chain, sides=sides))
    _with_head(ending, chain.head, ending.placeholder("x"))
    model = fx.GraphModule(chain.model, whole, type(chain.model).__name__)
    model.set_submodule(chain.head, _wide_head(chain, sum(side.channels for side in sides.values())))
    blocks = (*chain.blocks[: first + 1], _merged(model, chain, merged, first=first + 1), _ending(model, chain, ending))
    made = Chain(model, chain.backbone, blocks=blocks, classes=chain.classes, input_size=chain.input_size)
    made.random, made.side_outputs = chain.random, tuple(sides.values())
    return made


def positions_of(x: Tensor) -> tuple[int, ...]:
    """Dimensions that are places in the image, of [N, C, H, W], [N, H, W, C] (Swin; known by its squares),
    [N, tokens, C] or [N, C]."""
    if x.ndim == 4:
        last = x.shape[1] == x.shape[2] != x.shape[3]
        return (1, 2) if last else (2, 3)
    return (1,) if x.ndim == 3 else ()


@torch.no_grad()
def _side_outputs(chain: Chain) -> dict[int, SideOutput]:
    """Index of the last block of every stage before the last one -> what is read there."""
    stages = blocks_by_stage(chain.outline())[:-2]
    ends = {stage[-1].name for stage in stages}
    parameter = next(chain.model.parameters())
    x = torch.zeros(1, 3, chain.input_size, chain.input_size).to(parameter)
    found: dict[int, SideOutput] = {}
    for index, block in enumerate(chain.blocks[:-1]):
        x = block.evaluating(chain.model, x)
        if block.name in ends and (positions := positions_of(x)) and (module := _module_at(chain, index)):
            channels = next(x.shape[place] for place in range(1, x.ndim) if place not in positions)
            found[index] = SideOutput(module=module, positions=positions, channels=channels)
    if not found:
        raise BackboneError(
            f"{chain.backbone} has no stage before its last one that could be read. Choose linear_probe."
        )
    return found


def _module_at(chain: Chain, index: int) -> str:
    """The module that ends where the block at `index` does; "" where none does, as before the tokens of a ViT."""
    graph = chain.blocks[index].graph
    last = next(iter(reversed(graph.nodes))).all_input_nodes[0]
    elsewhere = {path for block in chain.blocks[index + 1 :] for node in block.graph.nodes for path in scopes(node)}
    calls = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    for path in reversed(scopes(last)):
        if path not in elsewhere and calls.count(path) < 2:
            return path
    return ""


def _features(graph: fx.Graph, value: fx.Node, *, chain: Chain, sides: Mapping[int, SideOutput]) -> fx.Node:
    """What the head reads, appended to `graph` behind `value`, which is what the first of the places gives."""
    first = min(sides)
    read = [_mean(graph, value, sides[first])]
    for index, block in enumerate(chain.blocks[first + 1 : -1], first + 1):
        value = _appended(graph, block.graph, value)
        if index in sides:
            read.append(_mean(graph, value, sides[index]))
    value = _appended(graph, chain.blocks[-1].graph, value, before=chain.head)
    return graph.call_function(torch.cat, ([*read, value], 1))


def _mean(graph: fx.Graph, value: fx.Node, side: SideOutput) -> fx.Node:
    return graph.call_method("mean", (value, side.positions), {"dtype": torch.float32})


def _appended(graph: fx.Graph, piece: fx.Graph, value: fx.Node, *, before: str = "") -> fx.Node:
    """`piece` for the input `value`, up to its end or to what the layer `before` is given; what it gives there."""
    copies: dict[fx.Node, fx.Node] = {}
    for node in piece.nodes:
        if node.op == "output" or (before and node.target == before):
            return copies[node.all_input_nodes[0]]
        copies[node] = value if node.op == "placeholder" else graph.node_copy(node, copies.__getitem__)
    raise AssertionError("a graph ends with its output")


def _with_head(graph: fx.Graph, head: str, features: fx.Node) -> None:
    graph.output(graph.call_module(head, (features,)))


def _wide_head(chain: Chain, more: int) -> nn.Linear:
    """Like the head of `chain`, for so many more features; no random number is drawn."""
    old, ends = head_of(chain.model), next(iter(reversed(chain.blocks[-1].graph.nodes))).all_input_nodes[0]
    if not isinstance(old, nn.Linear) or ends.target != chain.head:
        raise BackboneError(f"The scores of {chain.backbone} are not those of one linear layer.")
    head = deepcopy(old)
    head.in_features += more
    head.weight = nn.Parameter(old.weight.new_zeros(len(old.weight), head.in_features))
    if head.bias is not None:
        head.bias = nn.Parameter(torch.zeros_like(old.bias))
    return head


def _merged(model: nn.Module, chain: Chain, graph: fx.Graph, *, first: int) -> Block:
    """Everything from the block `first` of `chain` to its head as one block."""
    blocks = chain.blocks[first:]
    forward = compiled(graph, f"{blocks[0].name} to the head of {chain.backbone}")
    return Block(
        name=blocks[0].name,
        parameters=tuple(n for block in blocks for n in block.parameters if n.rpartition(".")[0] != chain.head),
        buffers=tuple(name for block in blocks for name in block.buffers),
        modules=tuple(layer for node in graph.nodes if (layer := layer_of(model, node)) is not None),
        evaluating=forward,
        training=forward,
        graph=graph,
    )


def _ending(model: nn.Module, chain: Chain, graph: fx.Graph) -> Block:
    """The new head as the last block."""
    head, forward = model.get_submodule(chain.head), compiled(graph, f"the head of {chain.backbone}")
    return Block(
        name=chain.head,
        parameters=tuple(f"{chain.head}.{name}" for name, _ in head.named_parameters()),
        buffers=(),
        modules=(head,),
        evaluating=forward,
        training=forward,
        graph=graph,
    )
