"""Warm: the model of the run before, kept built and traced for the next one that starts from the same weights.

It is handed out to one user at a time, and only after every tensor has been set back to what it was. Not here: loading
(cache).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from engine.models.chain import Chain
from engine.models.head import is_new_head, reset_head

LIMIT_BYTES = 256 << 20
"""A model beyond this is loaded anew: it is held twice."""

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model as it was loaded, before anybody trained it."""

    key: Key
    notes: tuple[str, ...]
    seed: int
    new_head: bool
    """Whether its head, and nothing else, came from the seed and not from a file."""
    tensors: dict[str, Tensor]
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of `tensors`, by name, where somebody has taken them."""


class Warm:
    """At most one model; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lent: WeakKeyDictionary[Chain, Loaded] = WeakKeyDictionary()
        self._kept: tuple[Chain, Loaded] | None = None

    def lend(self, chain: Chain, key: Key, notes: tuple[str, ...], *, seed: int) -> None:
        """Remember how `chain`, which has just been loaded, looks now."""
        state = chain.model.state_dict()
        if sum(tensor.nbytes for tensor in state.values()) > LIMIT_BYTES:
            return
        new_head = not chain.seeded and is_new_head(chain.model, chain.head, chain.backbone, seed=seed)
        copies = {name: tensor.detach().clone() for name, tensor in state.items()}
        with self._lock:
            self._lent[chain] = Loaded(key=key, notes=notes, seed=seed, new_head=new_head, tensors=copies)

    def take(self, key: Key, seed: int) -> tuple[Chain, tuple[str, ...]] | None:
        """The kept model, as loading it with `seed` would make it; None when it is another one."""
        with self._lock:
            if (
                self._kept is None
                or self._kept[1].key != key
                or not (self._kept[1].new_head or self._kept[1].seed == seed)
            ):
                return None
            (chain, loaded), self._kept = self._kept, None
            self._lent[chain] = loaded
        _set_back(chain, loaded)
        if loaded.new_head:
            reset_head(chain.model, chain.head, chain.backbone, seed=seed)
        return chain, loaded.notes

    def digests(self, chain: Chain) -> Mapping[str, str]:
        """What `keep_digests` was told of the tensors of `chain`; they have been set back since."""
        with self._lock:
            loaded = self._lent.get(chain)
        return loaded.digests if loaded else {}

    def keep_digests(self, chain: Chain, digests: Mapping[str, str]) -> None:
        """Remember digests of the tensors of `chain` as they were loaded. The head is left out: every seed has its
        own."""
        body = {name: digest for name, digest in digests.items() if name.rpartition(".")[0] != chain.head}
        with self._lock:
            if (loaded := self._lent.get(chain)) is not None:
                self._lent[chain] = replace(loaded, digests=body)

    def give_back(self, chain: Chain) -> None:
        """Nobody uses `chain` any more, so the next one may. It takes the place of the one kept before."""
        with self._lock:
            loaded = self._lent.pop(chain, None)
            if loaded is not None:
                self._kept = (chain, loaded)
                for parameter in chain.model.parameters():
                    parameter.grad = None


@torch.no_grad()
def _set_back(chain: Chain, loaded: Loaded) -> None:
    for name, tensor in chain.model.state_dict().items():
        tensor.copy_(loaded.tensors[name])
    for parameter in chain.model.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None
    chain.train_blocks(())
