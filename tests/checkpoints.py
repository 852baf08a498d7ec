"""One file of weights as every tool would have saved it, each of them brought to the backbone, and a table of what came
of it.

`python -m tests.checkpoints FILE [BACKBONE]`: FILE holds a plain state dict of BACKBONE (mobilenet_v2 by default).
"""

import argparse
import datetime
import sys
import tempfile
import types
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from engine.errors import WeightsError
from engine.models import registry
from engine.models.bringing import bring
from engine.models.head import drop_auxiliaries, find_head, swap_head
from engine.models.state_matching import fit_state
from engine.models.weights_reader import read_state
from engine.models.weights_store import weights_path
from engine.workspace import Workspace, open_workspace

State = dict[str, Tensor]
Save = Callable[[object, Path], object]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a tool makes of the state dict of a model, and what the file must come to."""

    make: Callable[[State, nn.Module], object]
    save: Save = torch.save
    head: bool = True
    """Whether the file has the head under a name that is known."""
    says: str = ""
    """Part of what must be said."""


class Settings:
    """A class of somebody's own, in the file beside the tensors."""

    def __init__(self) -> None:
        self.rate = 0.1


class Attributes(dict[str, object]):
    """As Lightning keeps hyper-parameters."""


def under(prefix: str) -> Callable[[State, nn.Module], object]:
    return lambda state, model: {prefix + name: tensor for name, tensor in state.items()}


def lightning(prefix: str) -> Callable[[State, nn.Module], object]:
    def make(state: State, model: nn.Module) -> object:
        named = {prefix + name: tensor for name, tensor in state.items()}
        extra = {"criterion.weight": torch.ones(3), "train_acc.correct": torch.tensor(3)}
        hyper = Attributes(lr=0.1, when=datetime.timedelta(hours=1))
        return {"epoch": 3, "state_dict": {**named, **extra}, "hyper_parameters": hyper, "callbacks": {}}

    return make


def without_head(state: State, model: nn.Module) -> State:
    head = find_head(model)
    return {name: tensor for name, tensor in state.items() if not name.startswith(f"{head}.")}


def reference(state: State, model: nn.Module) -> object:
    """As torchvision's own training script, with the average of the weights beside them."""
    averaged = {f"module.{name}": _averaged(tensor) for name, tensor in state.items()}
    return {
        "model": state,
        "model_ema": {"n_averaged": torch.tensor(7), **averaged},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
        "args": argparse.Namespace(lr=0.1, output_dir=Path("runs"), dtype=np.dtype("float32")),
        "epoch": 9,
    }


def contrastive(state: State, model: nn.Module) -> object:
    body = without_head(state, model)
    query = {f"module.encoder_q.{name}": tensor for name, tensor in body.items()}
    key = {f"module.encoder_k.{name}": _averaged(tensor) for name, tensor in body.items()}
    return {"arch": "net", "state_dict": {**query, **key, "module.queue": torch.rand(8, 64)}}


def counted(state: State, model: nn.Module) -> object:
    """As thop leaves it: every layer with two numbers more."""
    layers = dict.fromkeys(name.rpartition(".")[0] for name in state)
    numbers = {f"{layer}.{what}": torch.zeros(1) for layer in layers for what in ("total_ops", "total_params")}
    return {**state, **numbers, "total_ops": torch.zeros(1)}


def in_sequence(state: State, model: nn.Module) -> object:
    """As nn.Sequential(*model.children()) numbers its layers."""
    places = {name: str(place) for place, (name, _) in enumerate(model.named_children())}
    return {f"{places[name.partition('.')[0]]}.{name.partition('.')[2]}": tensor for name, tensor in state.items()}


def as_fastai(state: State, model: nn.Module) -> object:
    """The body of a learner, and a head of another design."""
    numbered = in_sequence(without_head(state, model), model)
    assert isinstance(numbered, dict)
    head = {"1.2.weight": torch.ones(16), "1.4.weight": torch.ones(4, 16)}
    return {"model": {**{f"0.{name}": tensor for name, tensor in numbered.items()}, **head}, "opt": {}}


def half_parallel(state: State, model: nn.Module) -> object:
    first = next(iter(state)).partition(".")[0]
    return {name.replace(f"{first}.", f"{first}.module.", 1): tensor for name, tensor in state.items()}


def _averaged(tensor: Tensor) -> Tensor:
    return tensor * 0.5 if tensor.is_floating_point() else tensor


def _aside(**aside: object) -> Callable[[State, nn.Module], object]:
    return lambda state, model: {"state_dict": state, **aside}


def _older(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


VARIANTS: dict[str, Variant] = {
    "plain": Variant(make=lambda state, model: state),
    "ordered": Variant(make=lambda state, model: OrderedDict(state)),
    "older format": Variant(make=lambda state, model: state, save=_older),
    "safetensors": Variant(make=lambda state, model: state, save=lambda content, path: save_file(content, path)),
    "parameters": Variant(make=lambda state, model: {name: _parameter(tensor) for name, tensor in state.items()}),
    "half precision": Variant(make=lambda state, model: {name: _cast(tensor) for name, tensor in state.items()}),
    "no counters": Variant(make=lambda state, model: {n: t for n, t in state.items() if "num_batches" not in n}),
    "model of a model": Variant(make=lambda state, model: {"model": {"state_dict": state}, "epoch": 1}),
    "numbers beside": Variant(make=lambda state, model: {**state, "epoch": 3, "best": 0.5}),
    "in a list": Variant(make=lambda state, model: [state, {"state": {}, "param_groups": []}]),
    **{f"key {key}": Variant(make=lambda state, model, key=key: {key: state}) for key in ("net", "ema", "x")},
    **{
        f"prefix {prefix}": Variant(make=under(prefix))
        for prefix in ("module.", "_orig_mod.", "_orig_mod.module.", "model.", "net.", "encoder.", "a.b.c.backbone.")
    },
    "features parallel": Variant(make=half_parallel),
    "lightning": Variant(make=lightning("model."), says="criterion.weight"),
    "lightning net": Variant(make=lightning("net."), says="criterion.weight"),
    "lightning parallel": Variant(make=lightning("backbone.module."), says="2 tensors of the file are not used"),
    "torchvision reference": Variant(make=reference, says="model_ema, which is averaged"),
    "averaged model": Variant(make=lambda state, model: AveragedModel(model).state_dict(), says="n_averaged"),
    "contrastive": Variant(make=contrastive, head=False, says="queue"),
    "thop": Variant(make=counted, says="total_ops"),
    "sequence": Variant(make=in_sequence),
    "fastai": Variant(make=as_fastai, head=False, says="no head"),
    "no head": Variant(make=without_head, head=False, says="no head"),
    "number of numpy": Variant(make=_aside(best_acc1=np.float64(0.5), history=np.arange(3))),
    "simple name space": Variant(make=_aside(config=types.SimpleNamespace(lr=1, path=Path("a/b")))),
    "times": Variant(make=_aside(at=datetime.datetime(2020, 1, 1), took=datetime.timedelta(1))),
    "class of one's own": Variant(make=_aside(config=Settings(), hyper=Attributes(a=1))),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a variant came to; `wrong` says why that is not right, if it is not."""

    said: str
    wrong: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The backbone whose file is brought, the tensors of the file, and a model to load them into."""

    backbone: str
    state: State
    model: nn.Module


def subject(backbone: str, state: State) -> Subject:
    """Of a plain state dict of `backbone`, with a head for as many classes as there are in it."""
    model = registry.build(backbone, registry.describe(backbone).input_size, 0)
    drop_auxiliaries(model)
    swap_head(model, backbone, classes=len(state[f"{find_head(model)}.weight"]), seed=0)
    ordered = {name: state[name] for name in model.state_dict() if name in state}  # safetensors sorts them
    return Subject(backbone=backbone, state=ordered, model=model)


def outcome(workspace: Workspace, of: Subject, variant: Variant) -> Outcome:
    """Save the state as `variant` does, bring it, load it, and compare every tensor."""
    path, head = workspace.root / "variant", find_head(of.model)
    of.model.load_state_dict(of.state, strict=False)  # older files have no counters
    variant.save(variant.make(of.state, of.model), path)
    with torch.no_grad():
        for tensor in of.model.state_dict().values():
            tensor.zero_()
    try:
        arrival = bring(workspace, path, "mine.pth", backbone=of.backbone)
        kept = read_state(weights_path(workspace, arrival.weights))
        fit_state(kept, of.model, backbone=of.backbone, name="mine.pth")
    except WeightsError as error:
        return Outcome(said=str(error), wrong="refused")
    said, loaded = " ".join(arrival.match.notes), of.model.state_dict()
    wanted = {name: tensor for name, tensor in of.state.items() if variant.head or not name.startswith(f"{head}.")}
    scale = 0.5 if "averaged, was taken" in said else 1.0
    different = [name for name, tensor in wanted.items() if not _same(loaded[name], tensor, scale)]
    if different:
        return Outcome(said=said, wrong=f"{len(different)} of {len(wanted)} tensors differ, such as {different[0]}")
    return Outcome(said=said, wrong="" if variant.says in said else f"does not say {variant.says!r}")


def main(words: list[str]) -> int:
    """Print the table; 0 when everything is right."""
    path, backbone = Path(words[0]), words[1] if len(words) > 1 else "mobilenet_v2"
    of, wrong = subject(backbone, dict(read_state(path))), 0
    for name, variant in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            came = outcome(open_workspace(folder), of, variant)
        wrong += bool(came.wrong)
        print(f"{'WRONG' if came.wrong else 'right'}  {name:22} {came.wrong or came.said or 'everything fits'}"[:400])
    print(f"{len(VARIANTS) - wrong} of {len(VARIANTS)} are right.")
    return int(wrong > 0)


def _parameter(tensor: Tensor) -> Tensor:
    return nn.Parameter(tensor) if tensor.is_floating_point() else tensor


def _cast(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _same(loaded: Tensor, given: Tensor, scale: float) -> bool:
    if "int" in str(given.dtype):
        return True
    return bool(torch.allclose(loaded, given * scale, rtol=1e-3, atol=1e-6))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
