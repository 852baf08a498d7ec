"""Flips: what seeds say together, who flips whose images, and which classes are found."""

import numpy as np
import pytest

from engine.errors import RunError
from engine.evaluation import disagreements


def test_most_seeds_decide_and_the_first_of_them_speaks() -> None:
    guesses = np.array([[0, 1, 2], [1, 1, 0], [1, 2, 1]])
    sure = np.array([[0.9, 0.5, 0.6], [0.4, 0.7, 0.9], [0.6, 0.9, 0.7]])
    votes = disagreements.majority_vote(guesses, sure, np.array([1, 2, 0]))
    assert votes.guesses.tolist() == [1, 1, 0]  # of three that differ, the surest
    assert votes.agree.tolist() == [2, 2, 1]
    assert votes.speaker.tolist() == [1, 0, 1]
    assert votes.confidence == pytest.approx([0.5, 0.6, 0.9])
    assert votes.right.tolist() == [True, False, True]


def test_of_equally_many_the_surer_win_however_the_seeds_are_ordered() -> None:
    guesses, sure = np.array([[0], [1], [1], [0]]), np.array([[0.5], [0.9], [0.1], [0.6]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3]):
        assert disagreements.majority_vote(guesses[order], sure[order], np.array([0])).guesses.tolist() == [0]


def test_votes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RunError, match=r"guesses \[seeds, images\]"):
        disagreements.majority_vote(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(4))


def test_flips_count_what_the_row_gets_right_and_the_column_wrong() -> None:
    right = list(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=bool))
    assert disagreements.disagreement_counts(right).tolist() == [[0, 1, 2], [1, 0, 2], [0, 0, 0]]


def test_recall_and_confusion_are_means_over_seeds() -> None:
    labels, guesses = np.array([0, 0, 1]), np.array([[0, 1, 1], [0, 0, 0]])
    assert disagreements.confusion_matrix(guesses, labels, 3).tolist() == [[1.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    recall = disagreements.recall(guesses, labels, 3)
    assert recall[:2].tolist() == [0.75, 0.5]
    assert np.isnan(recall[2])
