"""The path over mixtures of weights shows every one that was tried, and which was taken."""

from engine.events import Mixture
from pages.ui.figures.mixture_path import mixture_path, mixture_table, mixtures_in_words

PATH = (
    Mixture(share=0.0, loss=0.6, accuracy=0.7),
    Mixture(share=0.5, loss=0.3, accuracy=0.9, chosen=True),
    Mixture(share=1.0, loss=0.5, accuracy=0.8),
)


def test_the_figure_stars_the_one_that_was_taken() -> None:
    path, star = mixture_path(PATH).data
    assert (list(path.x), list(path.y)) == ([0.0, 0.5, 1.0], [0.7, 0.9, 0.8])
    assert (list(star.x), list(star.y)) == ([0.5], [0.9])


def test_words_and_table_say_the_same() -> None:
    words = mixtures_in_words(PATH)
    assert "With 50.0 % of the fine-tuned weights 90.0 %" in words and "70.0 % with the probe alone" in words
    assert list(mixture_table(PATH)["Chosen"]) == ["", "yes", ""]
