"""Any runs: runs of one dataset that a person picks, side by side, whether they belong to a comparison or not.

Intervals alone say which differences are too small to believe. Not here: the judgement of a comparison (verdict).
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run import Run
from pages.ui import charts, epochs, palette, text
from pages.ui.compare import run_table
from pages.ui.compare.run_table import Scores
from pages.ui.resources import workspace

AT_FIRST = 10
"""Runs that are chosen before anybody chooses."""


def run_sections(everything: Sequence[Run], dataset: str) -> None:
    """The runs of `dataset` among `everything`, the newest first."""
    possible = {run.id: run for run in everything if run.config.dataset == dataset}
    labels = run_table.unique_names(list(possible.values()))
    # On the light accent of the dark theme the white that Streamlit writes cannot be read.
    st.html(
        f"<style>[data-tag], [data-tag] * {{ color: light-dark({palette.page('light')}, {palette.page('dark')}) "
        f"!important }}</style>"
    )
    picked = st.multiselect(
        "Runs", list(possible), default=_first(possible), format_func=labels.__getitem__, key=f"runs_{dataset}"
    )
    runs = [possible[id_] for id_ in picked]
    if not runs:
        st.info("Choose at least one run.")
        return
    scored = {run.id: run_table.scores(workspace(), run) for run in runs}
    run_table.show(run_table.table(runs, scored))
    styles = palette.styles([run.id for run in reversed(everything)])
    _accuracy(runs, scored, labels=labels, styles=styles)
    _curves(runs, labels, styles)
    _differences(runs)
    st.subheader("Look closer", anchor=False)
    with st.grid(min_column_width=300, gap=("xsmall", "small")):
        for run in runs:
            with st.container(gap=None):
                links(run, labels[run.id])


def _first(possible: Mapping[str, Run]) -> list[str]:
    """The latest that have something to show; where none has, the latest."""
    begun = [id_ for id_, run in possible.items() if run.started]
    return (begun or list(possible))[:AT_FIRST]


def links(run: Run, name: str) -> None:
    """Where more of one run is to be seen."""
    st.markdown(f"**{text.md(text.short(name))}**")
    with st.container(horizontal=True):
        st.page_link("monitor.py", label="Open in Monitor", icon=":material/monitoring:", query_params={"run": run.id})
        if run.summary:
            st.page_link(
                "predictions.py", label="Open in Predictions", icon=":material/grid_view:", query_params={"run": run.id}
            )


def _accuracy(
    runs: Sequence[Run],
    scored: Mapping[str, Scores],
    *,
    labels: Mapping[str, str],
    styles: Mapping[str, tuple[str, str]],
) -> None:
    split = "test" if any("test" in one for one in scored.values()) else "val"
    verdict = run_table.verdict(runs, scored, split)
    if verdict:
        st.markdown(text.md(verdict))
    known = [run for run in runs if split in scored[run.id]]
    if not known:
        return
    st.subheader(f"Accuracy on {SPLIT_NAMES[split]} images", anchor=False)
    ranked = sorted(known, key=lambda run: -scored[run.id][split].value)
    estimates = [
        charts.Estimate(name=name, colour=styles[run.id][0], value=score.value, low=score.low, high=score.high)
        for run, name in zip(ranked, text.distinct([labels[run.id] for run in ranked], 30), strict=True)
        for score in (scored[run.id][split],)
    ]
    st.caption(
        "With 95 % intervals: where the accuracy is likely to lie, given how few images measured it."
        + (
            " Validation images chose the epoch of every run, so these figures are optimistic."
            if split == "val" and not verdict
            else ""
        )
    )
    st.plotly_chart(
        charts.intervals(estimates), config=charts.CONFIG, alt=verdict or f"Accuracy of {text.count(len(known), 'run')}"
    )


def _curves(runs: Sequence[Run], labels: Mapping[str, str], styles: Mapping[str, tuple[str, str]]) -> None:
    st.subheader("Validation curves", anchor=False)
    names = text.distinct([labels[run.id] for run in runs], 48)
    lines = [(name, *styles[run.id], epochs.of(run)) for run, name in zip(runs, names, strict=True)]
    st.html(charts.key([charts.Curve(name=name, colour=colour, dash=dash) for name, colour, dash, _ in lines]))
    for metric, place in zip(charts.METRICS, st.columns(2), strict=True):
        curves = [
            charts.Curve(name=name, colour=colour, dash=dash, points=charts.points(ended, metric))
            for name, colour, dash, ended in lines
        ]
        place.markdown(f"**{metric.capitalize()}**")
        said = f"Validation {metric} per epoch and run"
        place.plotly_chart(charts.overlay(curves, metric), key=metric, config=charts.CONFIG, alt=said)


def _differences(runs: Sequence[Run]) -> None:
    st.subheader("What was different", anchor=False)
    differing = run_table.differing(runs)
    if len(runs) < 2:
        st.caption("Choose two runs or more to see in which options they differ.")
    elif differing.empty:
        st.caption("These runs have the same configuration.")
    else:
        st.dataframe(differing, hide_index=True)
        st.caption("All other options are equal.")
