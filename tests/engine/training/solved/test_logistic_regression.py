"""The head at its optimum: what scikit-learn finds, whatever the scale of features, weights of classes and views."""

from collections.abc import Generator

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from engine.training.solved.logistic_regression import FOLDS, Examples, Layer, Tried, regress, solve, stratified_folds


def examples(rows: int = 24, width: int = 6, classes: int = 3, **options: object) -> Examples:
    """Classes that overlap, on features of very different scales, none around zero."""
    random = np.random.default_rng(rows)
    labels = np.arange(rows) % classes
    features = (random.normal(size=(rows, width)) + random.normal(size=(classes, width))[labels]) * 10.0 ** np.arange(
        -2, width - 2
    ) + 5
    made: dict[str, object] = {
        "features": torch.from_numpy(features),
        "labels": torch.from_numpy(labels),
        "classes": classes,
        "images": torch.arange(rows),
        "weights": torch.ones(rows, dtype=torch.float64),
    }
    return Examples(**{**made, **options})  # type: ignore[arg-type]


def fitted(path: Generator[Tried, None, Layer]) -> tuple[list[Tried], Layer]:
    tries = []
    while True:
        try:
            tries.append(next(path))
        except StopIteration as end:
            return tries, end.value


def logits(layer: Layer, made: Examples) -> torch.Tensor:
    return made.features @ layer.weight.T + layer.bias


def penalised(layer: Layer, made: Examples) -> torch.Tensor:
    """The loss as torch has it, times the images, and the penalty on the weights of standardised features."""
    scale = made.features.std(0, correction=0)
    mean = torch.nn.functional.cross_entropy(
        logits(layer, made), made.labels, weight=made.class_weights, label_smoothing=made.smoothing
    )
    return len(made.labels) * mean + ((layer.weight * scale) ** 2).sum() / (2 * layer.c)


@pytest.mark.parametrize("width", [6, 40])
@pytest.mark.parametrize("c", [0.01, 1.0])
def test_it_is_what_scikit_learn_finds(width: int, c: float) -> None:
    made = examples(width=width)
    scaler = StandardScaler().fit(made.features.numpy())
    other = LogisticRegression(C=c, tol=1e-12, max_iter=10_000)
    other.fit(scaler.transform(made.features.numpy()), made.labels.numpy())
    layer = solve(made, c)
    assert np.allclose(layer.weight.numpy() * scaler.scale_, other.coef_, atol=1e-5)
    assert np.allclose(logits(layer, made), other.decision_function(scaler.transform(made.features.numpy())), atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)])
def test_no_direction_leads_further_down(smoothing: float, weights: torch.Tensor | None) -> None:
    made = examples(smoothing=smoothing, class_weights=weights)
    layer = solve(made, 0.3)
    weight, bias = layer.weight.clone().requires_grad_(), layer.bias.clone().requires_grad_()
    penalised(Layer(c=0.3, weight=weight, bias=bias), made).backward()
    assert weight.grad is not None and bias.grad is not None
    slopes = (weight.grad - bias.grad[:, None] * made.features.mean(0)) / made.features.std(0)
    assert slopes.abs().max() < 1e-6 and bias.grad.abs().max() < 1e-6


def test_a_weight_of_two_is_an_image_shown_twice() -> None:
    """As class weights and balanced sampling have it."""
    made = examples()
    twice = torch.cat([torch.arange(24), torch.nonzero(made.labels == 2)[:, 0]])
    longer = examples(
        features=made.features[twice],
        labels=made.labels[twice],
        images=torch.arange(len(twice)),
        weights=torch.ones(len(twice), dtype=torch.float64),
    )
    heavier = examples(class_weights=torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64))
    # features are standardised as they are seen, so only an almost free head must not care
    one, other = (logits(solve(which, 1e4 / len(which.labels)), made).softmax(1) for which in (longer, heavier))
    assert torch.allclose(one, other, atol=0.02)


def test_views_of_an_image_lie_in_one_fold_and_classes_in_all() -> None:
    labels, images = np.tile(np.arange(40) % 4, 3), np.tile(np.arange(40), 3)
    folds = stratified_folds(labels, images)
    assert all(len(set(folds[images == image])) == 1 for image in range(40))
    for label in range(4):
        assert sorted(np.bincount(folds[labels == label], minlength=FOLDS)) == [6] * FOLDS
    assert set(folds) == set(range(FOLDS))


def test_the_only_image_of_a_class_always_trains() -> None:
    folds = stratified_folds(np.array([0, 0, 0, 1, 2, 2]), np.arange(6))
    assert folds[3] == -1 and (np.delete(folds, 3) >= 0).all()


def test_views_do_not_make_a_head_bolder() -> None:
    """Where folds parted the views of one image, every penalty would look too strong."""
    once = examples(rows=30, width=40)
    copies = {"features": once.features.repeat(4, 1), "labels": once.labels.repeat(4), "images": once.images.repeat(4)}
    views = examples(rows=30, width=40, weights=torch.full((120,), 0.25, dtype=torch.float64), **copies)
    (first, layer), (second, same) = fitted(regress(once)), fitted(regress(views))
    assert [tried.loss for tried in first] == pytest.approx([tried.loss for tried in second], rel=1e-3)
    assert layer.c == same.c and torch.allclose(logits(layer, once), logits(same, once), atol=1e-5)


def test_the_penalty_with_the_lowest_loss_is_taken() -> None:
    noise = examples(rows=60, features=torch.from_numpy(np.random.default_rng(0).normal(size=(60, 20))))
    clear = examples(rows=60, features=torch.nn.functional.one_hot(torch.arange(60) % 3, 20).double())
    (tries, cautious), (_, bold) = fitted(regress(noise)), fitted(regress(clear))
    assert cautious.c == min(tries, key=lambda tried: tried.loss).c < bold.c
    assert len(tries) < len(fitted(regress(clear))[0]), "the search goes on to penalties that are worse and worse"


def test_what_never_varies_and_who_has_no_image_stay_finite() -> None:
    made = examples(classes=3, labels=torch.arange(24) % 2)
    made.features[:, 2] = 7.0
    _, layer = fitted(regress(made))
    assert layer.weight.isfinite().all() and layer.bias.isfinite().all()
    assert (logits(layer, made).argmax(1) < 2).all() and layer.weight[:, 2].abs().max() < 1e-12


def test_without_a_class_of_two_images_nothing_is_tried() -> None:
    tries, layer = fitted(regress(examples(rows=3)))
    assert not tries and layer.c == 1 / 6 and layer.weight.isfinite().all()


def test_a_head_without_bias_gets_none() -> None:
    made = examples(intercept=False)
    assert (solve(made, 1.0).bias == 0).all()
