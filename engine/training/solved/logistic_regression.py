"""Logistic regression: a linear layer at the one optimum of its loss, with the penalty that suits its images.

Multinomial, on standardised features: the mean cross-entropy of the loop (class weights, label smoothing and weights of
rows included) times the number of images, plus |weight|^2 / (2 C), the bias free. Solved in float64 by L-BFGS after one
rotation into principal directions, where the minimum is the same and its curvature is nearly known. Not here: where
features come from (solving).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.eager import eager

PENALTIES = tuple(float(10.0 ** (half / 2)) for half in range(-4, 9))
"""C times the number of features, from the strongest penalty to the weakest that is tried: at 1 a score is free to vary
by about 1 over the images, however many features there are."""
FOLDS = 5
PATIENCE = 3
"""So many weaker penalties in a row that are no better end the search: the weakest are the slowest to solve."""
_ROUGH, _EXACT = 1e-4, 1e-9
"""Largest slope of the mean loss that ends a search: while penalties are tried, and at last."""
_MOST_STEPS = 2000
_NO_CHANGE = 1e-15
_RANK = 1e-11
"""Directions with a smaller share of the largest variance are rounding."""
_BIAS_PENALTY = 1e-8
"""Of the mean loss: keeps the bias of a class finite that has no image."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Rows to learn from; all tensors on one device."""

    features: Tensor
    """float64 [n, d]."""
    labels: Tensor
    """int64 [n]."""
    classes: int
    images: Tensor
    """int64 [n]: of which image a row is a view; views of one image are never parted by folds."""
    weights: Tensor
    """float64 [n]: how often a row is seen."""
    class_weights: Tensor | None = None
    """[classes], and label `smoothing`: as in torch's cross_entropy."""
    smoothing: float = 0.0
    intercept: bool = True


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A penalty in cross-validation: log loss of images held out, with its standard error over the folds."""

    c: float
    loss: float
    error: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Layer:
    """weight [classes, d] and bias [classes] for features as they were given: the scaling is folded in."""

    c: float
    weight: Tensor
    bias: Tensor


def regress(examples: Examples) -> Generator[Tried, None, Layer]:
    """Yields every penalty that was tried; returns the optimum at the one with the lowest log loss.

    Where nothing can be held out, because no class has two images, none is tried and C is 1 over the features.
    """
    space = _Space(examples)
    folds = torch.from_numpy(stratified_folds(examples.labels.cpu().numpy(), examples.images.cpu().numpy()))
    held_out = [mask.to(space.mass.device) for fold in range(FOLDS) if (mask := folds == fold).any()]
    starts, tries = [space.zeros() for _ in held_out], list[Tried]()
    best, near = 1 / examples.features.shape[1], space.zeros()
    for c in penalties(examples) if len(held_out) > 1 else ():
        for fold, held in enumerate(held_out):
            starts[fold] = space.minimum(c, starts[fold], seen=~held, slope=_ROUGH)
        tries.append(_judged(space, c, list(zip(starts, held_out, strict=True))))
        yield tries[-1]
        leader = min(tries, key=lambda tried: tried.loss)
        if tries[-1] is leader:
            best, near = c, torch.stack(starts).mean(0)
        if len(tries) - tries.index(leader) > PATIENCE:
            break
    return space.layer(best, space.minimum(best, near, slope=_EXACT))


def solve(examples: Examples, c: float) -> Layer:
    """The optimum at the penalty `c`."""
    space = _Space(examples)
    return space.layer(c, space.minimum(c, space.zeros(), slope=_EXACT))


def penalties(examples: Examples) -> tuple[float, ...]:
    """Values of C in the order in which they are tried."""
    return tuple(penalty / examples.features.shape[1] for penalty in PENALTIES)


def stratified_folds(labels: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Fold [n] of every row, the same for all rows of an image; -1 for the only image of a class, which always trains.

    Folds differ by at most one image, in every class and in all.
    """
    random, first = np.random.default_rng(0), np.unique(images, return_index=True)[1]
    dealt: list[int] = []
    alone: list[int] = []
    for label in np.unique(labels):
        own = images[first][labels[first] == label]
        (dealt if len(own) > 1 else alone).extend(map(int, random.permutation(own)))
    fold_of = {image: place % FOLDS for place, image in enumerate(dealt)} | dict.fromkeys(alone, -1)
    return np.array([fold_of[int(image)] for image in images])


class _Space:
    """Examples standardised and turned into their principal directions.

    A solution is [classes, directions + 1], its last column the bias.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples, one_hot = examples, nn.functional.one_hot(examples.labels, examples.classes)
        cost = torch.ones_like(examples.weights[:1]).expand(examples.classes)
        if examples.class_weights is not None:
            cost = examples.class_weights.to(examples.weights)
        self.labels, mass = examples.labels, examples.weights * cost[examples.labels]
        factor = len(torch.unique(examples.images)) / mass.sum()
        self.mass = factor * mass
        """[n]: what a row counts for; in all the number of images."""
        spread = examples.smoothing / examples.classes * factor * examples.weights
        self.targets = (1 - examples.smoothing) * self.mass[:, None] * one_hot + spread[:, None] * cost
        """[n, classes]: the loss is minus its product with log probabilities."""
        self._mean, self._scale = _moments(examples)
        standardised = (examples.features - self._mean) / self._scale
        self._rotation, self._variances = _principal(standardised)
        self._coordinates = standardised @ self._rotation

    def zeros(self) -> Tensor:
        return self.targets.new_zeros(self.targets.shape[1], self._coordinates.shape[1] + 1)

    def logits(self, solution: Tensor) -> Tensor:
        """[n, classes]."""
        return torch.addmm(solution[:, -1], self._coordinates, solution[:, :-1].T)

    def minimum(self, c: float, start: Tensor, *, seen: Tensor | None = None, slope: float) -> Tensor:
        """Of the penalised loss of the rows that are `seen` [n], all by default."""
        targets = self.targets if seen is None else self.targets * seen[:, None]
        total = targets.sum(1, keepdim=True)
        images = float(total.sum())
        metric = self._metric(start, pull=1 / (c * images))
        found = (start * metric).requires_grad_()

        @torch.no_grad()
        def loss() -> float:
            solution = found / metric
            log_odds = self.logits(solution).log_softmax(1)
            value = -(targets * log_odds).sum() / images
            error = (log_odds.exp_() * total - targets) / images
            pull = solution / (c * images)
            pull[:, -1] = _BIAS_PENALTY * solution[:, -1]
            gradient = torch.cat([error.T @ self._coordinates, error.sum(0)[:, None]], 1) + pull
            if not self._examples.intercept:
                gradient[:, -1] = 0.0
            found.grad = gradient / metric
            return float(value + (solution * pull).sum() / 2)

        eager(torch.optim.LBFGS)(
            [found],
            max_iter=_MOST_STEPS,
            tolerance_grad=slope,
            tolerance_change=_NO_CHANGE,
            history_size=10,
            line_search_fn="strong_wolfe",
        ).step(loss)
        return found.detach() / metric

    def layer(self, c: float, solution: Tensor) -> Layer:
        weight = solution[:, :-1] @ self._rotation.T / self._scale
        return Layer(c=c, weight=weight, bias=solution[:, -1] - weight @ self._mean)

    def _metric(self, start: Tensor, *, pull: float) -> Tensor:
        """[directions + 1]: about the root of the curvature of the mean loss at `start`; in its units all directions
        are alike, and few steps lead to the minimum."""
        odds = self.logits(start).softmax(1)
        curvature = (odds * (1 - odds)).mean().clamp(min=1e-6)
        along = torch.cat([self._variances, self._variances.new_ones(1)]) * curvature
        along[:-1] += pull
        return along.sqrt()


def _moments(examples: Examples) -> tuple[Tensor, Tensor]:
    """Mean and deviation [d] of the features; a feature that never varies has the deviation 1."""
    shares = examples.weights / examples.weights.sum()
    mean = shares @ examples.features
    variance = shares @ (examples.features - mean) ** 2
    constant = variance <= 1e-14 * (mean**2 + variance)
    return mean if examples.intercept else torch.zeros_like(mean), variance.where(~constant, 1.0).sqrt()


def _principal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Directions [d, r] in which `rows` [n, d] vary, and their mean squares [r]; of the smaller Gram matrix."""
    count, width = rows.shape
    if count < width:
        squares, left = torch.linalg.eigh(rows @ rows.T)
    else:
        squares, left = torch.linalg.eigh(rows.T @ rows)
    kept = squares > _RANK * squares[-1].clamp(min=1e-300)
    squares, left = squares[kept], left[:, kept]
    return (rows.T @ left / squares.sqrt() if count < width else left), squares / count


def _judged(space: _Space, c: float, solutions: Sequence[tuple[Tensor, Tensor]]) -> Tried:
    """Every solution by the rows [n] that were held out of it."""
    losses, right, mass = [], 0.0, 0.0
    for solution, held in solutions:
        own, labels = space.mass[held], space.labels[held]
        log_odds = space.logits(solution)[held].log_softmax(1)
        losses.append(float(own @ -log_odds.gather(1, labels[:, None])[:, 0] / own.sum()))
        right += float(own @ (log_odds.argmax(1) == labels).double())
        mass += float(own.sum())
    error = float(np.std(losses, ddof=1) / np.sqrt(len(losses)))
    return Tried(c=c, loss=float(np.mean(losses)), error=error, accuracy=right / mass)
