"""Configure: choose data, backbone, strategies and options, and queue them as a comparison or as one run."""

from dataclasses import replace

import streamlit as st

from engine.comparisons.comparison import expand
from engine.config import command_line
from engine.data.dataset import list_datasets
from engine.errors import EngineError
from engine.models.catalog import load_catalog
from engine.models.outline import load_outline, with_classes
from engine.runconfig import RunConfig
from engine.training.budget import automatic, budget_sentence, budgeted
from pages.ui import forecast, forms, strategies, text
from pages.ui.configure import backbones, phases, probe, queue, ranking, rate_test, suggestion, weights_file
from pages.ui.figures import block_strip, charts, kept_figures
from pages.ui.resources import job_store, run_store, workspace
from pages.ui.status import follow
from pages.ui.waiting import wait_for
from pages.ui.widgets.choice import choose
from pages.ui.widgets.section import section

FILES = {
    "result.csv": "an image a row with prediction and confidence; opens in a spreadsheet",
    "best.safetensors": "the weights of the best epoch, under the model's own names",
    "history.csv": "loss and accuracy of every epoch; tensorboard/ holds the same",
    "penalties.csv": "what cross-validation said of every penalty, where the head is solved",
    "mixtures.csv": "what validation said of every mixture of weights, for wise_ft",
    "predictions.csv": "probabilities of every validation and test image; metrics.json what follows from them",
    "config.json": "everything that decided the run; classes.json its classes",
    "checkpoint.pt": "what resuming needs, until the run has finished; log.txt what happened",
}


st.title("Configure", anchor=False)
datasets = {summary.id: summary for summary in list_datasets(workspace())}
if not datasets:
    sample = job_store().newest("sample", {})
    if sample is not None and not sample.ended:
        follow(sample, "Drawing the sample dataset")
        st.stop()
    st.info("There is no dataset yet. Bring images first.", icon=":material/photo_library:")
    st.page_link("dataset.py", label="Go to Dataset", icon=":material/arrow_forward:")
    st.stop()

st.subheader("Data and backbone", anchor=False)
captions = {
    id_: f"{summary.name} · {text.count(summary.images, 'image')}, {text.count(summary.classes, 'class')}"
    for id_, summary in datasets.items()
}
dataset = datasets[choose("Dataset", captions, key="dataset")]
catalog = load_catalog(workspace())
if catalog is None:
    wait_for("catalog", {}, "Listing the backbones that there are")
    st.stop()
left, right = st.columns(2)
with left:
    info = backbones.choose(catalog)
with right:
    weights = backbones.choose_weights(info, weights_file.file_names(), run_store().list())
backbones.browse(catalog)
ranking.ranking_section(catalog, dataset.id, weights_file.file_names())
weights_file.bring(info.name)
entry = info.entry(weights)
backbones.facts(info, entry)
if entry is not None and not entry.on_disk:
    backbones.missing(entry)

st.subheader("Strategies", anchor=False)
st.caption("What trains and what stays frozen. Tick several to compare them on the same images.")
outline = load_outline(workspace(), info.name)
if outline is None:
    wait_for("outline", {"backbone": info.name}, f"Opening {info.name} to see its blocks", height=240)
    st.stop()
outline = with_classes(outline, dataset.classes)
base = RunConfig(dataset=dataset.id, backbone=info.name, weights=weights)
suggestion.suggestion_line(base)
arms = strategies.tiles(base, outline)

st.subheader("Options", anchor=False)
devices = ["auto", *(device.device for device in run_store().devices())]
unread = strategies.unread(strategies.with_values(base, forms.kept({})), arms)
values = forms.basic(unread)
if unread:
    st.caption("What is ticked is computed in one go: it takes no epochs, no learning rate and no batch size.")
with section("More options", icon=":material/tune:", key="fold_options") as seen:
    values |= forms.folded({"device": devices}, unread) if seen else forms.kept({"device": devices})
    if seen:
        st.button("Back to defaults", on_click=forms.reset, icon=":material/restart_alt:")
if changed := forms.changed(values):
    st.caption(f"{text.count(changed, 'option')} changed from the default.")
shared = strategies.with_values(base, values)
if automatic(shared) and not unread:
    st.caption(
        budget_sentence(budgeted(shared, workspace())), help="Few images take more epochs, to make enough steps."
    )
chosen = phases.edit([strategies.judge(shared, arm, outline) for arm in arms], shared, outline)
sound = [one for one in chosen if not one.problem]

rate_test.rate_test_section([one for one in sound if not one.plan.solved])
probe.probe_section([one.config for one in sound])

if sound:
    st.subheader("What will happen", anchor=False)
    st.html(block_strip.legend())
    for one in sound:
        st.html(block_strip.draw(block_strip.of_plan(outline, one.plan), title=one.title))
    if curves := strategies.curves(sound):
        st.markdown("**Learning rate of the head**")
        st.html(charts.key(curves))
        st.plotly_chart(
            kept_figures.kept_rates(tuple(curves), max(one.plan.epochs for one in sound)),
            config=charts.CONFIG,
            alt=f"Learning rate over epochs, schedule {values['schedule']}",
        )
    with section("Block by block", icon=":material/table_rows:", key="fold_blocks") as seen:
        if seen:
            st.dataframe(strategies.block_table(outline, sound), hide_index=True)
    with section("Files each run will write", icon=":material/folder:", key="fold_files") as seen:
        if seen:
            folder, size = text.md(str(workspace().runs)), text.bytes_(4 * outline.size)
            st.caption(f"Into a folder of its own under {folder}, about {size} of weights each.")
            st.markdown("\n".join(f"- `{name}`: {content}" for name, content in FILES.items()))
    with section("The same on the command line", icon=":material/terminal:", key="fold_command") as seen:
        for one in sound if seen else ():
            st.code(command_line(one.config), language="bash", wrap_lines=True)

st.subheader("Start", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    hint = f"{info.name} and the strategy"
    name = st.text_input("Name", width=420, placeholder=hint, key="runs_name", max_chars=120, persist_state="session")
    with st.container(width=190):
        seeds = queue.seeds_input()
comparison = replace(queue.comparison_of(chosen, shared, seeds=seeds), name=name or "", fingerprint=dataset.fingerprint)
runs = sum(len(arm.seeds) for arm in comparison.strategies)
if runs > 1:
    each = ", ".join(f"{strategies.title(arm.strategy)} {len(arm.seeds)}" for arm in comparison.strategies)
    st.caption(f"{text.count(runs, 'run')} in one comparison, the cheapest first: {each}.")
problems = [one.problem for one in chosen if one.problem] or ([] if chosen else ["Tick at least one strategy."])
if shared.image_size and (problem := info.size_problem(shared.image_size)):
    problems.append(f"{problem} Or empty the field Image size: then it is the backbone's own.")
try:
    forecast.forecast_section([] if problems else expand(comparison))
except EngineError as error:  # the options of two strategies exclude each other
    problems.append(str(error))
label = f"Start {text.count(runs, 'run')}" if chosen else "Start"
if st.button(label, type="primary", disabled=bool(problems), icon=":material/play_arrow:"):
    queue.start(comparison, outline)
for problem in dict.fromkeys(problems):
    st.error(text.md(problem), icon=":material/error:")
