"""Metrics: how good a table of predictions is, per split, as the records of metrics.json.

scikit-learn does the counting. Not here: the table (predictions), comparing two runs (comparison).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn import config_context
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from engine.evaluation.metric_records import ClassMetrics, Metrics, SplitMetrics
from engine.evaluation.predictions import PREFIX


def compute_metrics(table: pd.DataFrame, classes: Sequence[str]) -> Metrics:
    """Scores of every split; rows without a label, without a split or with an error do not count."""
    known = table[(table["label"] != "") & (table["split"] != "") & (table["error"] == "")]
    with config_context(skip_parameter_validation=True, assume_finite=True):  # half of the time of a short report
        return Metrics(
            splits={str(split): _split_metrics(rows, classes) for split, rows in known.groupby("split", sort=False)}
        )


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """The 95 % Wilson interval of `correct` out of `images`; it stays inside [0, 1] and is honest for few images."""
    interval = binomtest(correct, images).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def _split_metrics(rows: pd.DataFrame, classes: Sequence[str]) -> SplitMetrics:
    index = {name: position for position, name in enumerate(classes)}
    truth = np.array([index[name] for name in rows["label"]])
    guess = np.array([index[name] for name in rows["predict"]])
    correct = int((truth == guess).sum())
    low, high = wilson_interval(correct, len(rows))
    scores = precision_recall_fscore_support(truth, guess, labels=range(len(classes)), zero_division=np.nan)
    per_class, support = np.array(scores[:3]), np.array(scores[3])
    measured, weights = np.nan_to_num(per_class[:, support > 0]), support[support > 0]
    macro, weighted = measured.mean(axis=1), np.average(measured, axis=1, weights=weights)
    return SplitMetrics(
        images=len(rows),
        accuracy=correct / len(rows),
        accuracy_low=low,
        accuracy_high=high,
        precision_macro=float(macro[0]),
        recall_macro=float(macro[1]),
        f1_macro=float(macro[2]),
        precision_weighted=float(weighted[0]),
        recall_weighted=float(weighted[1]),
        f1_weighted=float(weighted[2]),
        log_loss=_log_loss(rows, truth, classes),
        per_class=_class_metrics(per_class, support, classes),
        confusion=tuple(map(tuple, confusion_matrix(truth, guess, labels=range(len(classes))).tolist())),
    )


def _log_loss(rows: pd.DataFrame, truth: np.ndarray, classes: Sequence[str]) -> float:
    """Mean negative log-probability of the true class, in nats; probabilities of half precision are made to sum to one
    first."""
    probabilities = rows[[PREFIX + name for name in classes]].to_numpy(dtype=np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return float(log_loss(truth, probabilities, labels=range(len(classes))))


def _class_metrics(scores: np.ndarray, support: np.ndarray, classes: Sequence[str]) -> tuple[ClassMetrics, ...]:
    """From precision, recall and F1 [3, classes], NaN where nothing was measured."""
    return tuple(
        ClassMetrics(
            name=name,
            precision=_measured(precision),
            recall=_measured(recall),
            f1=_measured(f1) if images else None,
            support=int(images),
        )
        for name, precision, recall, f1, images in zip(classes, *scores, support, strict=True)
    )


def _measured(score: float) -> float | None:
    return None if np.isnan(score) else float(score)
