"""The path over penalties shows every one that was tried, and which was taken."""

import pytest

from engine.events import Penalty
from pages.ui.figures.penalty_path import path_in_words, penalty_path, penalty_table

PATH = (
    Penalty(c=1e-4, loss=0.6, error=0.05, accuracy=0.7),
    Penalty(c=1e-3, loss=0.3, error=0.04, accuracy=0.9, chosen=True),
    Penalty(c=1e-2, loss=0.5, error=0.1, accuracy=0.9),
)


def test_the_figure_stars_the_one_that_was_taken():
    path, star = penalty_path(PATH).data
    assert (list(path.x), list(path.y)) == ([1e-4, 1e-3, 1e-2], [0.6, 0.3, 0.5])
    assert list(path.error_y.array) == pytest.approx([0.05, 0.04, 0.1])
    assert (list(star.x), list(star.y)) == ([1e-3], [0.3])


def test_words_and_table_say_the_same():
    assert "lowest at C = 0.001: 0.300, with 90.0 % of them right" in path_in_words(PATH)
    table = penalty_table(PATH)
    assert list(table["Chosen"]) == ["", "yes", ""] and "0.600 ± 0.050" in set(table["Log loss"])
