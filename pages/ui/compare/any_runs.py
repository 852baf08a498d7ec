"""Any runs: runs of one dataset that a person picks, side by side.

Intervals alone say which differences are too small to believe. Not here: the judgement of a comparison (verdict).
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from engine.comparisons import run_results
from engine.comparisons.run_results import Scores
from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run_record import Run
from pages.ui import epochs, text
from pages.ui.compare.run_table import accuracy_sentence, differing, run_table, unique_names
from pages.ui.figures import charts, palette
from pages.ui.resources import workspace

AT_FIRST = 10
"""Runs that are chosen before anybody chooses."""


def run_sections(everything: Sequence[Run], dataset: str) -> None:
    """The runs of `dataset` among `everything`, the newest first."""
    possible = {run.id: run for run in everything if run.config.dataset == dataset}
    labels = unique_names(list(possible.values()))
    # On the light accent of the dark theme the white that Streamlit writes cannot be read.
    st.html(
        f"<style>[data-tag], [data-tag] * {{ color: light-dark({palette.page('light')}, {palette.page('dark')}) "
        f"!important }}</style>"
    )
    begun = [id_ for id_, run in possible.items() if run.started]
    latest = (begun or list(possible))[:AT_FIRST]
    picked = st.multiselect(
        "Runs", list(possible), default=latest, format_func=labels.__getitem__, key=f"runs_{dataset}"
    )
    runs = [possible[id_] for id_ in picked]
    if not runs:
        st.info("Choose at least one run.")
        return
    scores = {run.id: run_results.scores(workspace(), run) for run in runs}
    run_table(runs, scores)
    styles = palette.styles([run.id for run in reversed(everything)])
    _accuracy(runs, scores, labels=labels, styles=styles)
    _curves(runs, labels, styles)
    _differences(runs)
    st.subheader("Look closer", anchor=False)
    with st.grid(min_column_width=300, gap=("xsmall", "small")):
        for run in runs:
            with st.container(gap=None):
                links(run, labels[run.id])


def links(run: Run, name: str) -> None:
    """Where more of one run is to be seen."""
    st.markdown(f"**{text.md(text.short(name))}**")
    pages = {"Monitor": "monitoring", "Predictions": "grid_view"} if run.summary else {"Monitor": "monitoring"}
    with st.container(horizontal=True):
        for page, icon in pages.items():
            link, label = f"{page.lower()}.py", f"Open in {page}"
            st.page_link(link, label=label, icon=f":material/{icon}:", query_params={"run": run.id})


def _accuracy(
    runs: Sequence[Run],
    scores: Mapping[str, Scores],
    *,
    labels: Mapping[str, str],
    styles: Mapping[str, tuple[str, str]],
) -> None:
    split = "test" if any("test" in splits for splits in scores.values()) else "val"
    measured = [(run.id, scores[run.id][split]) for run in runs if split in scores[run.id]]
    sentence = accuracy_sentence(runs, scores, split)
    if sentence:
        st.markdown(text.md(sentence))
    if not measured:
        return
    st.subheader(f"Accuracy on {SPLIT_NAMES[split]} images", anchor=False)
    measured.sort(key=lambda pair: -pair[1].accuracy)
    names = text.distinct([labels[id_] for id_, _ in measured], 30)
    estimates = [
        charts.Estimate(
            name=name,
            colour=styles[id_][0],
            value=score.accuracy,
            low=score.accuracy_low,
            high=score.accuracy_high,
        )
        for (id_, score), name in zip(measured, names, strict=True)
    ]
    optimistic = " Validation images chose the epoch of every run, so these figures are optimistic."
    st.caption(
        "With 95 % intervals: where the accuracy is likely to lie, given how few images measured it."
        + (optimistic if split == "val" and not sentence else "")
    )
    alt = sentence or f"Accuracy of {text.count(len(measured), 'run')}"
    st.plotly_chart(charts.intervals(estimates), config=charts.CONFIG, alt=alt)


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
    frame = differing(runs)
    if len(runs) < 2:
        st.caption("Choose two runs or more to see in which options they differ.")
    elif frame.empty:
        st.caption("These runs have the same configuration.")
    else:
        st.dataframe(frame, hide_index=True)
        st.caption("All other options are equal.")
