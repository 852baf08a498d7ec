"""Scores agree with counting by hand and claim nothing that was not measured."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.evaluation.metric_records import METRICS, Metrics, SplitMetrics, read_metrics, write_metrics
from engine.evaluation.metrics import compute_metrics, wilson_interval
from engine.evaluation.predictions import build, with_unreadable

CLASSES = ["cat", "dog", "NA"]


def table(truth: list[str], guess: list[str], split: str = "val", confidence: float = 0.8) -> pd.DataFrame:
    rest = (1 - confidence) / (len(CLASSES) - 1)
    probabilities = np.array([[confidence if name == said else rest for name in CLASSES] for said in guess])
    return build(truth, splits=[split] * len(truth), labels=truth, probabilities=probabilities, classes=CLASSES)


def of_val(truth: list[str], guess: list[str]) -> SplitMetrics:
    return compute_metrics(table(truth, guess), CLASSES).splits["val"]


def test_a_split_counted_by_hand():
    scores = of_val(["cat", "cat", "cat", "dog"], ["cat", "cat", "dog", "dog"])
    assert (scores.images, scores.accuracy) == (4, 0.75)
    assert scores.confusion == ((2, 1, 0), (0, 1, 0), (0, 0, 0))  # rows are the truth
    cat, dog, absent = scores.per_class
    assert (cat.name, cat.precision, cat.support, absent.support) == ("cat", 1.0, 3, 0)
    assert (cat.recall, cat.f1, dog.f1) == pytest.approx((2 / 3, 0.8, 2 / 3))
    assert (dog.precision, dog.recall) == (0.5, 1.0)
    assert (absent.precision, absent.recall, absent.f1) == (None, None, None)
    assert scores.recall_macro == pytest.approx((2 / 3 + 1) / 2)  # the class without images does not pull it down
    assert scores.precision_weighted == pytest.approx((3 * 1.0 + 0.5) / 4)
    assert scores.recall_weighted == pytest.approx(scores.accuracy)
    assert scores.log_loss == pytest.approx(-(3 * math.log(0.8) + math.log(0.1)) / 4)


def test_a_class_with_images_that_is_never_predicted_scores_zero():
    scores = of_val(["cat", "dog"], ["cat", "cat"])
    dog = scores.per_class[1]
    assert (dog.precision, dog.recall, dog.f1) == (None, 0.0, 0.0)
    assert scores.f1_macro == pytest.approx((2 / 3 + 0) / 2)


def test_splits_are_apart_and_unlabelled_or_unreadable_rows_do_not_count():
    rows = pd.concat(
        [table(["cat"], ["cat"]), table(["dog", "dog"], ["cat", "dog"], "test"), table([""], ["dog"], "")],
        ignore_index=True,
    )
    splits = compute_metrics(with_unreadable(rows, [("x.gif", "Not an image.")]), CLASSES).splits
    counts = {name: (scores.images, scores.accuracy) for name, scores in splits.items()}
    assert counts == {"val": (1, 1.0), "test": (2, 0.5)}


def test_nothing_labelled_gives_no_scores():
    assert compute_metrics(table([""], ["dog"], ""), CLASSES) == Metrics(splits={})


def test_the_file_says_class_and_gives_back_the_same_records(tmp_path: Path):
    metrics = compute_metrics(table(["cat", "NA"], ["cat", "NA"]), CLASSES)
    write_metrics(tmp_path, metrics)
    assert json.loads((tmp_path / METRICS).read_text())["splits"]["val"]["per_class"][2]["class"] == "NA"
    assert read_metrics(tmp_path) == metrics


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"), [(81, 263, 0.2553, 0.3662), (10, 10, 0.7225, 1.0), (0, 5, 0.0, 0.4345)]
)
def test_the_interval_is_wilsons(correct: int, images: int, low: float, high: float):
    """81 of 263 is the worked example in Newcombe, Statistics in Medicine 17 (1998)."""
    assert wilson_interval(correct, images) == pytest.approx((low, high), abs=5e-5)
