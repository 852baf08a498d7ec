"""Suggestion: which strategies to compare first on a dataset, and why, in one sentence. Loads without torch.

It follows from counts, from the weights and, where somebody has asked, from the probe; nothing is trained. What
following it costs is measured in docs/probe.md. Not here: the choice, which stays with the person.
"""

from dataclasses import dataclass
from statistics import median

from engine.runconfig import RunConfig
from engine.training.budget import training_counts
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace

FEW, MANY = 10, 50
"""Training images a class: below the first a head is all that they can teach, from the second on everything."""
_HEADS = ("linear_probe", "multi_layer_probe")


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    strategies: tuple[str, ...]
    """The cheapest first."""
    because: str
    """What of the dataset speaks for them; a sentence."""


def suggest(config: RunConfig, workspace: Workspace, *, unlike: bool = False) -> Suggestion:
    """What to compare first with the backbone and weights of `config`; `unlike` where a probe found that their features
    end early, which is so of images unlike those of pretraining.

    DatasetError when the dataset is gone.
    """
    if config.weights == "none":
        return Suggestion(
            strategies=("full_finetune",),
            because="The weights are random, and what is frozen of them teaches nothing: everything has to train.",
        )
    each = median(training_counts(workspace, config.dataset)[0] or [0])
    return Suggestion(strategies=_known(*_HEADS, *_trained(each, unlike)), because=_because(each, unlike))


def _trained(each: float, unlike: bool) -> tuple[str, ...]:
    if each < FEW:
        return ("last_block",) if unlike else ()
    if each < MANY and not unlike:
        return ("last_block",)
    return ("last_block", "full_finetune")


def _known(*names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in STRATEGIES)


def _because(each: float, unlike: bool) -> str:
    counted = f"{each:.0f} training images a class"
    if each < FEW:
        said = f"{counted} are few: a solved head learns most of what they can teach"
    elif each < MANY:
        said = f"{counted} may be enough to adapt the last block"
    else:
        said = f"{counted} are enough to try everything"
    if unlike:
        said += (
            "; the probe finds more in earlier blocks than in the last, so the images are unlike those of pretraining"
        )
    return f"{said}."
