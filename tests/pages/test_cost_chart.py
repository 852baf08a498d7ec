"""Accuracy against cost: what is beaten is hollow, colours are those of the other figures, and names stand apart."""

import numpy as np

from engine.comparisons import data_size
from engine.comparisons.comparison import Comparison
from engine.data.dataset_records import Dataset
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui.compare import cost_chart, data_size_curves, learning_curves
from tests.pages.compared import evidence_now, finished, runs_of


def test_what_costs_more_and_is_shown_to_be_worse_is_not_worth_it(workspace: Workspace, dataset: Dataset) -> None:
    right = {"linear_probe_steps": 0.97, "last_block": 0.9, "full_finetune": 0.4}
    evidence = evidence_now(workspace, finished(workspace, dataset, right))
    figure = cost_chart.cost_figure(cost_chart.offers(evidence, "seconds"), "seconds", "light")
    symbols = {trace.name: trace.marker.symbol for trace in figure.data}
    assert (symbols["linear_probe_steps"], symbols["full_finetune"]) == ("circle", "circle-open")
    memory = cost_chart.offers(evidence, "peak_memory_bytes")
    assert {offer.cost for offer in memory} == {5.0}  # megabytes


def test_names_beside_equal_points_do_not_stand_on_each_other(workspace: Workspace, dataset: Dataset) -> None:
    alike = {"last_stage": 0.9, "gradual_unfreeze": 0.9, "full_finetune": 0.9}  # which all cost 80 seconds
    evidence = evidence_now(workspace, finished(workspace, dataset, {"linear_probe_steps": 0.5, **alike}))
    layout = cost_chart.cost_figure(cost_chart.offers(evidence, "seconds"), "seconds", "light").layout
    low, high = layout.yaxis.range
    heights = sorted(
        (name.y - low) / (high - low) * cost_chart.PLOT + name.yshift
        for name in layout.annotations
        if name.xanchor == "right"
    )
    assert len(heights) == 3
    assert min(np.diff(heights)) >= cost_chart.LINE - 1e-6
    assert set(layout.xaxis.ticktext) >= {"2", "20", "50"}


def test_a_strategy_has_one_colour_in_every_figure(workspace: Workspace, comparison: Comparison) -> None:
    point = data_size.Point(
        label="last_block", share=10, images=7, accuracy=0.5, low=0.4, high=0.6, runs=1, split="test"
    )
    (curve,) = data_size_curves.data_size_figure([point], data_size.whole_labels(comparison)).data
    offers = {offer.name: offer.colour for offer in cost_chart.offers(evidence_now(workspace, comparison), "seconds")}
    assert curve.line.color == offers["last_block"] != offers["linear_probe_steps"]
    RunStore(workspace).delete(runs_of(workspace, comparison)[0].id)
    left = learning_curves.spans(comparison, runs_of(workspace, comparison))
    assert {span.name: span.colour for span in left} == {name: offers[name] for name in ("last_block", "full_finetune")}
