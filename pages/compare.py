"""Compare: runs on the same dataset side by side: what they reached, what they cost, and what that proves."""

import streamlit as st

from engine.data.dataset import list_datasets
from pages.ui import charts, comparison, palette, text
from pages.ui.choice import choose
from pages.ui.resources import run_store, workspace

st.title("Compare", anchor=False)
everything = run_store().list()
if not everything:
    st.info("No run yet. Choose a backbone and several strategies on the page Configure, and start.", icon=":material/tune:")
    st.page_link("configure.py", label="Go to Configure", icon=":material/arrow_forward:")
    st.stop()

names = {summary.id: summary.name for summary in list_datasets(workspace())}
per_dataset: dict[str, int] = {}
for run in everything:  # newest first, so the first dataset is that of the latest run
    per_dataset[run.config.dataset] = per_dataset.get(run.config.dataset, 0) + 1
captions = {id_: f"{names.get(id_, id_)} · {text.count(number, 'run')}" for id_, number in per_dataset.items()}
dataset = choose("Dataset", captions, key="dataset", help="Only runs on the same images can be compared.")
possible = {run.id: run for run in everything if run.config.dataset == dataset}
labels = comparison.unique_names(list(possible.values()))
picked = st.multiselect("Runs", list(possible), default=list(possible)[:10], format_func=labels.__getitem__, key=f"runs_{dataset}")
runs = [possible[id_] for id_ in picked]
if not runs:
    st.info("Choose at least one run.")
    st.stop()

scored = {run.id: comparison.scores(workspace(), run) for run in runs}
comparison.show(comparison.table(runs, scored))
split = "test" if any("test" in one for one in scored.values()) else "val"
verdict = comparison.verdict(runs, scored, split)
if verdict:
    st.markdown(text.md(verdict))

styles = palette.styles([run.id for run in reversed(everything)])
known = [run for run in runs if split in scored[run.id]]
if known:
    word = {"test": "test", "val": "validation"}[split]
    st.subheader(f"Accuracy on {word} images", anchor=False)
    ranked = sorted(known, key=lambda run: -scored[run.id][split].value)
    estimates = [
        charts.Estimate(name=labels[run.id], colour=styles[run.id][0], value=score.value, low=score.low, high=score.high)
        for run in ranked
        for score in (scored[run.id][split],)
    ]
    st.caption("With 95 % intervals: the range in which the accuracy lies, given how few images measured it.")
    st.plotly_chart(charts.intervals(estimates), config=charts.CONFIG, alt=verdict or f"Accuracy of {text.count(len(known), 'run')}")

st.subheader("Validation curves", anchor=False)
curves = [
    charts.Curve(name=labels[run.id], rows=run_store().epochs(run.id), colour=styles[run.id][0], dash=styles[run.id][1]) for run in runs
]
st.html(charts.key(curves))
left, right = st.columns(2)
left.markdown("**Accuracy**")
left.plotly_chart(charts.overlay(curves, "accuracy"), key="accuracy", config=charts.CONFIG, alt="Validation accuracy per epoch and run")
right.markdown("**Loss**")
right.plotly_chart(charts.overlay(curves, "loss"), key="loss", config=charts.CONFIG, alt="Validation loss per epoch and run")

st.subheader("What was different", anchor=False)
differing = comparison.differing(runs)
if len(runs) < 2:
    st.caption("Choose two runs or more to see in which options they differ.")
elif differing.empty:
    st.caption("These runs have the same configuration.")
else:
    st.dataframe(differing, hide_index=True)
    st.caption("All other options are equal.")

st.subheader("Look closer", anchor=False)
with st.grid(min_column_width=300, gap=("xsmall", "small")):
    for run in runs:
        with st.container(gap=None):
            st.markdown(f"**{text.md(labels[run.id])}**")
            with st.container(horizontal=True):
                st.page_link("monitor.py", label="Monitor", icon=":material/monitoring:", query_params={"run": run.id})
                if run.summary:
                    st.page_link("predictions.py", label="Predictions", icon=":material/grid_view:", query_params={"run": run.id})
