"""Prototypes: a linear layer whose every row is the direction of a class's mean, so that an image is of the class to
whose mean its features make the smallest angle; nothing is trained.

Nearest class mean with the cosine (Mensink et al. 2013; Snell et al. 2017, arXiv 1703.05175, without its training). Not
here: where features come from (solving).
"""

import torch
from torch import Tensor, nn

from engine.training.solved.logistic_regression import Examples, Layer

_SCALES = (-6.0, 6.0)
"""Powers of ten between which the scale of the scores is looked for, for features of length 1."""


def class_means(examples: Examples) -> Layer:
    """The layer; the scale of its scores, which says how sure it is, is that of the lowest loss where each image is
    compared with means that it is not part of. A class without images has scores of zero."""
    towards = _directions(_sums(examples))
    scores, others = _held_out(examples, towards)
    length = float(examples.features.norm(dim=1).mean().clamp_min(1e-12))
    scale = _scale(examples, scores / length, others) / length
    return Layer(c=scale, weight=scale * towards, bias=torch.zeros_like(towards[:, 0]))


def _sums(examples: Examples) -> Tensor:
    """float64 [classes, d]: of the features of each class, as often as they are seen."""
    seen = examples.features * examples.weights[:, None]
    return seen.new_zeros(examples.classes, seen.shape[1]).index_add_(0, examples.labels, seen)


def _directions(sums: Tensor) -> Tensor:
    return nn.functional.normalize(sums, dim=-1)


def _held_out(examples: Examples, towards: Tensor) -> tuple[Tensor, Tensor]:
    """(scores [n, classes] of means without the image itself, whether its class has another image [n])."""
    seen = examples.features * examples.weights[:, None]
    own = seen.new_zeros(int(examples.images.max()) + 1, seen.shape[1]).index_add_(0, examples.images, seen)
    rest = _sums(examples)[examples.labels] - own[examples.images]
    scores = examples.features @ towards.T
    scores[torch.arange(len(scores)), examples.labels] = (examples.features * _directions(rest)).sum(1)
    images = torch.stack([examples.images, examples.labels]).unique(dim=1)[1].bincount(minlength=examples.classes)
    return scores, images[examples.labels] > 1


def _scale(examples: Examples, scores: Tensor, others: Tensor) -> float:
    from scipy.optimize import minimize_scalar  # here, so that no other run waits for it

    if not others.any():
        return 1.0

    def loss(power: float) -> float:
        losses = nn.functional.cross_entropy(
            10.0**power * scores[others],
            examples.labels[others],
            weight=None if examples.class_weights is None else examples.class_weights.double(),
            label_smoothing=examples.smoothing,
            reduction="none",
        )
        return float(examples.weights[others] @ losses)

    return float(10.0 ** minimize_scalar(loss, bounds=_SCALES, method="bounded").x)
