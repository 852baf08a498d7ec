"""Class by class: recalls and differences of confusion matrices are those of the predictions."""

import numpy as np
import pytest

from pages.ui.compare import classes
from pages.ui.compare.evidence import Evidence


def test_classes_are_compared_by_recall_and_the_difference_of_confusions_sums_to_nothing(evidence: Evidence) -> None:
    frame = classes.recall_table(evidence)
    assert list(frame["Apart"]) == sorted(frame["Apart"], reverse=True)
    right = evidence.arms["full_finetune"].votes.right
    for row in frame.to_dict("records"):
        mine = evidence.labels == evidence.classes.index(row["Class"])
        assert row["full_finetune"] == pytest.approx(100 * right[mine].mean())
    values = classes.confusion_difference(evidence, "full_finetune", "linear_probe_steps")
    assert values.sum(axis=1) == pytest.approx(np.zeros(3))
    assert values.trace() == right.sum() - evidence.arms["linear_probe_steps"].votes.right.sum()
    largest = classes.largest(evidence, "full_finetune", "linear_probe_steps")
    assert abs(largest["Difference in images"].iloc[0]) == np.abs(values).max()
