"""Figures hold exactly the rows they were given, and names cannot smuggle markup into them."""

import json

import pytest

from engine.events import Epoch
from pages.ui.figures import charts, palette

EPOCHS = (
    Epoch(epoch=1, train_loss=1.0, val_loss=0.9, train_accuracy=0.5, val_accuracy=0.6, best=True),
    Epoch(epoch=2, train_loss=0.6, val_loss=0.5, train_accuracy=0.7, val_accuracy=0.8, best=True),
    Epoch(epoch=3, train_loss=0.4, val_loss=0.7, train_accuracy=0.9, val_accuracy=0.75),
)
LINE = charts.points(EPOCHS, "accuracy")


def test_learning_curves_show_both_splits_and_star_the_epoch_that_is_kept():
    validation, training, best = charts.learning_curves(EPOCHS, "loss", planned=5).data
    assert list(validation.y) == [0.9, 0.5, 0.7]
    assert list(training.y) == [1.0, 0.6, 0.4]
    assert (best.x[0], best.y[0]) == (2, 0.5)


def test_the_frame_spans_all_epochs_from_the_start():
    low, high = charts.learning_curves(EPOCHS[:1], "accuracy", planned=20).layout.xaxis.range
    assert low < 1 and high > 20


def test_epochs_without_a_value_are_left_out():
    figure = charts.learning_curves([Epoch(epoch=1, val_loss=0.4)], "loss", planned=1)
    assert [len(trace.x) for trace in figure.data] == [1, 0]


def test_rates_are_drawn_over_all_epochs():
    points = ((0, 0.0), (5, 1e-3), (10, 0.0))
    figure = charts.rates([charts.Curve(name="linear_probe", points=points, colour="#111111")], epochs=10)
    assert list(figure.data[0].y) == [0.0, 1e-3, 0.0]
    assert tuple(figure.layout.xaxis.range) == (0, 10)


def test_names_are_escaped_in_every_figure():
    hostile = "<a href='javascript:alert(1)'>"
    figures = [
        charts.overlay([charts.Curve(name=hostile, points=LINE, colour="#111111")], "accuracy"),
        charts.intervals([charts.Estimate(name=hostile, colour="#111111", value=0.5, low=0.4, high=0.6)]),
        charts.rates([charts.Curve(name=hostile, points=((0, 1.0),), colour="#111111")], epochs=1),
    ]
    for figure in figures:
        words = json.dumps(figure.to_plotly_json(), ensure_ascii=False, default=list)
        assert "a href" in words and "<a" not in words


def test_intervals_reach_from_low_to_high():
    (trace,) = charts.intervals([charts.Estimate(name="a", colour="#111111", value=0.8, low=0.7, high=0.85)]).data
    assert trace.error_x.array[0] == pytest.approx(0.05)
    assert trace.error_x.arrayminus[0] == pytest.approx(0.1)


def test_every_interval_has_a_row_of_its_own_with_its_name():
    estimates = [
        charts.Estimate(name=name, colour="#111111", value=0.8, low=0.7, high=0.85)
        for name in ("same", "same", "other")
    ]
    figure = charts.intervals(estimates)
    assert [trace.y[0] for trace in figure.data] == list(figure.layout.yaxis.tickvals) == [0, 1, 2]
    assert list(figure.layout.yaxis.ticktext) == ["same", "same", "other"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first on top


def test_quotes_in_names_are_shown_as_quotes():
    """Plotly knows no &quot;."""
    figure = charts.overlay([charts.Curve(name='say "hi" & go', points=LINE, colour="#111111")], "accuracy")
    assert figure.data[0].name == 'say "hi" &amp; go'


def test_the_edge_of_a_mark_is_the_page_behind_it():
    assert charts.learning_curves(EPOCHS, "loss", planned=3).data[2].marker.line.color == palette.page()
    assert charts.range_test([(1e-3, 1.0), (1e-2, 0.5)], 1e-3).data[1].marker.line.color == palette.page()


def test_curves_are_told_in_words():
    assert charts.curves_in_words(EPOCHS, "accuracy") == (
        "After epoch 3 the accuracy is 75.0 % on validation images and 90.0 % on training images. The best epoch is 2."
    )
    assert charts.curves_in_words([], "loss") == "No loss yet: no epoch has ended."


def test_a_run_keeps_its_colour_whatever_comes_after_it():
    ids = [f"run-{number:010x}" for number in range(25)]
    everything = palette.styles(ids)
    assert {key: everything[key] for key in ids[:7]} == palette.styles(ids[:7])
    assert len({everything[key] for key in ids[:10]}) == 10
    assert len(set(everything.values())) == 25
