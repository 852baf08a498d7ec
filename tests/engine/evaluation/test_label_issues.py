"""Suspects: planted label errors come first, clean labels are left alone."""

import numpy as np

from engine.evaluation.label_issues import find_label_issues, out_of_fold_probabilities, too_few_images, too_many_issues


def clouds(each: int = 60, classes: int = 3, size: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = random.normal(0, 3, (classes, size))
    labels = np.repeat(np.arange(classes), each)
    return (centres[labels] + random.normal(size=(len(labels), size))).astype(np.float32), labels


def test_five_flipped_labels_are_among_the_first_eight() -> None:
    features, labels = clouds()
    wrong = np.array([3, 40, 77, 130, 171])
    flipped = labels.copy()
    flipped[wrong] = (labels[wrong] + 1) % 3
    found = find_label_issues(out_of_fold_probabilities(features, flipped), flipped)
    assert set(wrong) <= {one.place for one in found[:8]}
    assert all(one.suggested == labels[one.place] for one in found[:5])
    margins = [one.margin for one in found]
    assert margins == sorted(margins, reverse=True) and margins[-1] > 0
    again = find_label_issues(out_of_fold_probabilities(features, flipped), flipped)
    assert again == found, "the same input gives the same answer"


def test_clean_labels_raise_next_to_no_doubt() -> None:
    for seed in range(3):
        features, labels = clouds(seed=seed)
        assert len(find_label_issues(out_of_fold_probabilities(features, labels), labels)) <= 0.02 * len(labels)


def test_the_answer_for_an_image_does_not_know_its_label() -> None:
    """Noise without any meaning: whoever has seen the label would be right far more often than by chance."""
    random = np.random.default_rng(1)
    features, labels = random.normal(size=(300, 40)), np.repeat([0, 1], 150)
    assert abs((out_of_fold_probabilities(features, labels).argmax(1) == labels).mean() - 0.5) < 0.12


def test_too_few_images_are_named() -> None:
    labels = np.repeat([0, 1], 20)
    said = too_few_images(labels[:-1], ("cat", "개"))
    assert "개 (19)" in said and "cat" not in said and not too_few_images(labels, ("cat", "개"))
    assert "gone (0)" in too_few_images(np.zeros(30, int), ("cat", "gone"))


def test_features_that_tell_nothing_apart_doubt_next_to_nothing() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), 40)
    found = find_label_issues(out_of_fold_probabilities(random.normal(size=(160, 30)), labels), labels)
    assert all(one.confidence >= 0.5 for one in found)
    assert "32 of 100" in too_many_issues(32, 100) and too_many_issues(20, 100) == ""
