"""Learning curves over each other: the mean of the seeds that have come so far, and words that say so."""

import pytest

from engine.events import Epoch
from pages.ui.compare import learning_curves
from pages.ui.compare.learning_curves import Span
from pages.ui.figures import palette
from pages.ui.unfreezing import Change


def span(*scores: tuple[float, ...], phases: tuple[Change, ...] = ()) -> Span:
    """One run for each list of validation accuracies."""
    runs = [
        tuple(Epoch(epoch=turn, seconds=10.0 * turn, val_accuracy=score) for turn, score in enumerate(run, start=1))
        for run in scores
    ]
    return Span(name="a", colour="#112233", dash="solid", runs=runs, phases=phases)


TWO = span((0.2, 0.6), (0.4,), phases=(Change(epoch=2, says="x"),))


def test_a_curve_is_the_mean_of_the_seeds_that_have_come_so_far() -> None:
    points = learning_curves.points(TWO, "accuracy")
    assert [(point.at, pytest.approx(point.mean), point.low, point.high) for point in points] == [
        (1, 0.3, 0.2, 0.4),
        (2, 0.6, 0.6, 0.6),
    ]
    assert [point.at for point in learning_curves.points(TWO, "accuracy", axis="seconds")] == [10, 30]
    assert learning_curves.points(TWO, "accuracy", split="train") == []


def test_a_long_curve_reads_every_epoch_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    read, score = [], Epoch.score
    monkeypatch.setattr(Epoch, "score", lambda *asked: read.append(asked) or score(*asked))
    points = learning_curves.points(span((0.5,) * 200, (0.5,) * 200), "accuracy", axis="seconds")
    assert len(points) == 200 and points[-1].at == sum(10.0 * turn for turn in range(1, 201))
    assert 2 * 200 <= len(read) <= 4 * 2 * 200


def test_a_curve_says_that_its_end_is_of_the_seeds_that_came_so_far() -> None:
    assert "the mean of the seeds that reached it: a 60.0 %" in learning_curves.curves_in_words([TWO], "accuracy")
    assert "that reached the epoch" in learning_curves.SAID
    assert (
        learning_curves.curves_in_words([span((0.2, 0.6))], "accuracy")
        == "Accuracy on validation images after the last epoch: a 60.0 %."
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_diamond_marks_where_a_phase_begins(theme: str) -> None:
    figure = learning_curves.curves_figure([TWO], "accuracy", theme=theme)
    (marker,) = [trace.marker for trace in figure.data if trace.mode == "markers"]
    assert (marker.symbol, marker.line.color) == ("diamond", palette.page(theme))
