"""Interpolation: the weights between two ends of a training, the one of them that validation likes best.

WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903): (1 - share) of the weights before fine-tuning and `share` of those
after it. Not here: which two ends (loop), what is drawn of it.
"""

from collections.abc import Callable, Generator, Mapping

import torch
from torch import Tensor

from engine.events import Mixture, Progress
from engine.training.averaging import copy_tensors
from engine.training.plan import SHARES

Judge = Callable[[], tuple[float, float]]
"""(loss, accuracy) of the model as it stands."""


def interpolate(
    ends: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    moving: Mapping[str, Tensor],
    judge: Judge,
    *,
    by_loss: bool,
) -> Generator[Progress, None, tuple[Mixture, ...]]:
    """Leave `moving`, the model's own tensors, at the mixture of both `ends` with the best accuracy, or loss; of equal
    ones the other score decides. Returns all that were tried."""
    tried: list[Mixture] = []
    for share in SHARES:
        copy_tensors(mixed(*ends, share), moving)
        loss, accuracy = judge()
        tried.append(Mixture(share=share, loss=loss, accuracy=accuracy))
        yield Progress(stage="mixing weights", done=len(tried), total=len(SHARES))
    best = max(tried, key=lambda one: (-one.loss, one.accuracy) if by_loss else (one.accuracy, -one.loss))
    copy_tensors(mixed(*ends, best.share), moving)
    return tuple(Mixture(share=one.share, loss=one.loss, accuracy=one.accuracy, chosen=one is best) for one in tried)


@torch.no_grad()
def mixed(before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of `after` and the rest of `before`, by name; counters are those of `after`. At 0 and 1 bit for bit the
    ends."""
    return {
        name: torch.lerp(before[name], tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in after.items()
    }
