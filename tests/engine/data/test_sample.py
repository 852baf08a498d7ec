import numpy as np
import pytest

from engine.data.dataset import health_card, list_datasets
from engine.data.painting import PATTERNS, SIDE, paint
from engine.data.sample import make_sample
from engine.workspace import Workspace


def test_sample_is_made_once_and_is_healthy(workspace: Workspace) -> None:
    seen: list[str] = []
    dataset = make_sample(workspace, lambda stage, done, total: seen.append(stage), per_class=6)
    assert dataset.classes == tuple(sorted(PATTERNS)) and len(dataset.classes) == 6
    assert len(dataset.images) == 36 and dataset.source == "sample" and dataset.name == "sample"
    card = health_card(dataset)
    assert not card.problems and not card.duplicates and not card.warnings
    assert set(seen) == {"draw", "read", "compare"}
    assert make_sample(workspace).id == dataset.id
    assert len(list_datasets(workspace)) == 1 and list(workspace.incoming.iterdir()) == []


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_picture_is_a_function_of_its_generator(pattern: str) -> None:
    first, again, other = (np.asarray(paint(pattern, np.random.default_rng(seed))) for seed in (4, 4, 5))
    assert first.shape == (SIDE, SIDE, 3) and np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.std() > 15, "neither black nor flat"


def test_colour_alone_does_not_tell_the_class() -> None:
    """A nearest-mean-colour rule, the cheapest cheat, must stay near chance."""
    colours = {
        name: [np.asarray(paint(name, np.random.default_rng([1, k, n]))).mean((0, 1)) for n in range(8)]
        for k, name in enumerate(PATTERNS)
    }
    means = {name: np.mean(values[:4], axis=0) for name, values in colours.items()}
    right = sum(
        min(means, key=lambda other: float(np.abs(means[other] - value).sum())) == name
        for name, values in colours.items()
        for value in values[4:]
    )
    assert right <= 11  # of 24; chance is 4
