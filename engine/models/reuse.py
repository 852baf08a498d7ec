"""Reuse: the model of the run before, kept built and traced for the next one that starts from the same weights.

It is handed out to one user at a time, every tensor set back to what it was. Not here: loading.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from engine.models.chain import Chain
from engine.models.head import reset_head

LIMIT_BYTES = 256 << 20
"""A model beyond this is loaded anew: it is held twice."""

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model as it was loaded, before anybody trained it."""

    key: Key
    notes: tuple[str, ...]
    seed: int
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
        copies = {name: tensor.detach().clone() for name, tensor in state.items()}
        with self._lock:
            self._lent[chain] = Loaded(key=key, notes=notes, seed=seed, tensors=copies)

    def take(self, key: Key, seed: int) -> tuple[Chain, tuple[str, ...]] | None:
        """The kept model, as loading it with `seed` would make it; None when it is another one."""
        with self._lock:
            if self._kept is None:
                return None
            chain, loaded = self._kept
            if loaded.key != key or not (chain.new_head or loaded.seed == seed):
                return None
            self._kept = None
            self._lent[chain] = loaded
        _set_back(chain, loaded)
        if chain.new_head:
            reset_head(chain.model, chain.backbone, seed=seed)
        return chain, loaded.notes

    def digests(self, chain: Chain) -> Mapping[str, str]:
        """Digests (audit.digests) of tensors of `chain` that need not be taken: they are back where they were."""
        with self._lock:
            loaded = self._lent.get(chain)
        return loaded.digests if loaded else {}

    def keep_digests(self, chain: Chain, digests: Mapping[str, str]) -> None:
        """Spare the next user these digests of `chain` as it was loaded; not the head's, every seed has its own."""
        body = {name: digest for name, digest in digests.items() if name.rpartition(".")[0] != chain.head}
        with self._lock:
            if (loaded := self._lent.get(chain)) is not None:
                self._lent[chain] = replace(loaded, digests=body)

    def give_back(self, chain: Chain) -> None:
        """Whoever got `chain` needs it no more, so it takes the place of the one kept before."""
        with self._lock:
            loaded = self._lent.pop(chain, None)
            if loaded is not None:
                self._kept = (chain, loaded)
                chain.model.zero_grad()


WARM = Warm()
"""That of this process."""


@torch.no_grad()
def _set_back(chain: Chain, loaded: Loaded) -> None:
    for name, tensor in chain.model.state_dict().items():
        tensor.copy_(loaded.tensors[name])
    chain.model.requires_grad_(True)
    chain.train_blocks(())
