"""Fairness: which runs of a comparison differ from the others in something that no strategy should win by, and the
reason in words.

Not here: what came out of the runs (judgement).
"""

import dataclasses
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache

from engine.config import options
from engine.runconfig import RunConfig
from engine.store.database import Json

Started = Mapping[str, Json | None]
"""Run id -> the event with which it started, or None before."""
_OPTIONS = (
    "preprocessing",
    "image_size",
    "views",
    "augment",
    "data_seed",
    "select",
    "patience",
    "max_minutes",
    "train_share",
    "tune",
)
_UNLESS_AUGMENTED = ("augment", "data_seed")
_DECIDE_PREPARATION = ("preprocessing", "image_size")
_PREPARED = "The preparation of images"
_ZERO = {"image_size": "the weights' own", "patience": "none", "max_minutes": "none", "views": "none"}


@dataclass(frozen=True, kw_only=True)
class _Trait:
    """Something in which runs ought to agree: what it is called, among which runs, and what it is."""

    name: str
    among: Hashable
    value: Hashable
    words: str


def guard(configs: Mapping[str, RunConfig], started: Started) -> dict[str, str]:
    """Run id -> why it cannot be judged beside the others; runs that can be are not named.

    The majority decides, one voice for each arm however many seeds it has; of two equal halves, the first. Data, split
    and actual preprocessing are known once a run has started. Preprocessing belongs to the weights, so it is held
    against runs of the same backbone and weights only.
    """
    traits = {run: _traits(config, started.get(run)) for run, config in configs.items()}
    voices: dict[tuple[str, Hashable], dict[tuple[RunConfig, Hashable], str]] = {}
    for run, config in configs.items():
        for trait in traits[run]:
            heard = voices.setdefault((trait.name, trait.among), {})
            heard[dataclasses.replace(config, seed=0), trait.value] = trait.words
    usual = {place: _majority(heard) for place, heard in voices.items()}
    reasons = {run: _reason(found, usual) for run, found in traits.items()}
    return {run: reason for run, reason in reasons.items() if reason}


def _majority(heard: Mapping[tuple[RunConfig, Hashable], str]) -> tuple[Hashable, str]:
    ((value, words), _), *_ = Counter((value, words) for (_, value), words in heard.items()).most_common()
    return value, words


def _reason(traits: list[_Trait], usual: Mapping[tuple[str, Hashable], tuple[Hashable, str]]) -> str:
    odd = [trait for trait in traits if trait.value != usual[trait.name, trait.among][0]]
    if {_label(name) for name in _DECIDE_PREPARATION} & {
        trait.name for trait in odd
    }:  # what was chosen explains what was done
        odd = [trait for trait in odd if not trait.name.startswith(_PREPARED)]
    words = [(trait.name, trait.words, usual[trait.name, trait.among][1]) for trait in odd]
    return " ".join(f"{name} is {mine} here and {theirs} in most of the others." for name, mine, theirs in words)


def _traits(config: RunConfig, started: Json | None) -> list[_Trait]:
    epochs = _epochs(config, started)
    found = [_Trait(name="Epochs", among="", value=epochs, words=str(epochs))]
    for name in _OPTIONS:
        value = getattr(config, name)
        if config.views or name not in _UNLESS_AUGMENTED:  # neither does anything without views
            words = _ZERO.get(name, "0") if not value else f"{value:g}" if isinstance(value, float) else str(value)
            found.append(_Trait(name=_label(name), among="", value=value, words=words))
    return [*_data_traits(config, started), *found]


def _data_traits(config: RunConfig, started: Json | None) -> list[_Trait]:
    found = [_Trait(name="Dataset", among="", value=config.dataset, words=config.dataset)]
    fingerprint = ((started or {}).get("dataset") or {}).get("fingerprint")
    if fingerprint:
        found.append(
            _Trait(name="The fingerprint of images and split", among="", value=fingerprint, words=str(fingerprint)[:8])
        )
    for name, value in ((started or {}).get("preprocessing") or {}).items():
        of = (config.backbone, config.weights)
        found.append(_Trait(name=f"{_PREPARED} ({name})", among=of, value=str(value), words=str(value)))
    return found


@cache
def _label(option: str) -> str:
    """What a form calls an option."""
    return next(about.label for about in options() if about.name == option)


def _epochs(config: RunConfig, started: Json | None) -> int:
    """How long it trains: phases of its own count for themselves."""
    phases = (started or {}).get("phases")
    if phases:
        return sum(int(phase["epochs"]) for phase in phases)
    rows = [row for row in config.phases.replace("\n", ";").split(";") if row.strip()]
    lengths = [row.split("|")[1].strip() if "|" in row else "" for row in rows]
    return (
        sum(int(length) for length in lengths)
        if lengths and all(length.isdigit() for length in lengths)
        else config.epochs
    )
