"""A prototype is a direction: whose mean an image is nearest to by angle, and how sure that makes."""

import torch
from torch import nn

from engine.training.solved.logistic_regression import Examples
from engine.training.solved.prototypes import class_means

GENERATOR = torch.Generator().manual_seed(3)
CENTRES = 3 + torch.randn(4, 16, generator=GENERATOR, dtype=torch.float64)


def examples(count: int, *, classes: int = 4, noise: float = 0.5, length: float = 1.0, views: int = 1) -> Examples:
    labels = torch.arange(count) % 4
    features = CENTRES[labels] + noise * torch.randn(count, 16, generator=GENERATOR, dtype=torch.float64)
    return Examples(
        features=length * features.repeat(views, 1),
        labels=labels.repeat(views),
        classes=classes,
        images=torch.arange(count).repeat(views),
        weights=torch.full((count * views,), 1 / views, dtype=torch.float64),
    )


def test_an_image_is_of_the_class_whose_mean_stands_at_the_smallest_angle() -> None:
    given = examples(40)
    layer, means = class_means(given), torch.stack([given.features[given.labels == c].mean(0) for c in range(4)])
    cosines = nn.functional.cosine_similarity(given.features[:, None], means[None], dim=2)
    scores = given.features @ layer.weight.T + layer.bias
    assert torch.equal(scores.argmax(1), cosines.argmax(1))
    assert torch.allclose(scores, layer.c * given.features.norm(dim=1, keepdim=True) * cosines)


def test_how_sure_it_is_comes_from_images_their_own_mean_did_not_see() -> None:
    """One image a class and its noise is its mean: it would be certain of everything it has seen."""
    few, many = (class_means(examples(count, noise=2.0)).c for count in (8, 400))
    assert few < many
    given = examples(200, noise=2.0)
    layer, fresh = class_means(given), examples(2000, noise=2.0)
    losses = [
        float(nn.functional.cross_entropy(factor * fresh.features @ layer.weight.T, fresh.labels))
        for factor in (0.5, 1.0, 2.0)
    ]
    assert losses[1] == min(losses)


def test_views_longer_features_and_a_class_without_images_change_no_answer() -> None:
    state = GENERATOR.get_state()
    plain = class_means(examples(40))
    for options in ({"views": 3}, {"length": 100.0}):
        GENERATOR.set_state(state)
        layer = class_means(examples(40, **options))
        assert torch.allclose(layer.weight * options.get("length", 1.0), plain.weight, rtol=1e-3)
    layer = class_means(examples(40, classes=5))
    assert torch.isfinite(layer.weight).all() and not layer.weight[4].any()


def test_one_image_a_class_is_enough() -> None:
    layer, fresh = class_means(examples(4, noise=0.3)), examples(100, noise=0.3)
    assert ((fresh.features @ layer.weight.T).argmax(1) == fresh.labels).double().mean() > 0.9
