"""Backbones: choose a backbone and the weights it starts from, with the facts to choose by.

Not here: where the facts come from (models.catalog) and bringing a weights file (weights_file).
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.models.catalog import BackboneInfo, Catalog, WeightsInfo, checkpoints_folder
from engine.store.run_record import Run
from pages.ui import text
from pages.ui.figures.block_strip import amount
from pages.ui.widgets.section import section

CHOSEN = "backbone_name"
WEIGHTS = "weights_value"
PENDING = "weights_pending"
"""Weights to select when the box is drawn next; a widget cannot be changed after it was drawn."""
FIRST = "resnet18"
_COLUMNS = {
    "backbone": st.column_config.TextColumn("Backbone", pinned=True),
    "top1": st.column_config.NumberColumn(
        "Top-1", format="%.1f %%", help="Published accuracy on ImageNet of the best weights."
    ),
    "parameters": st.column_config.NumberColumn("Parameters", format="compact"),
    "gflops": st.column_config.NumberColumn("GFLOPs", format="%.2f", help="Billions of multiply-adds an image."),
    "file": st.column_config.NumberColumn("File", format="bytes"),
    "input": st.column_config.NumberColumn("Input", format="%d px"),
    "license": st.column_config.TextColumn("Licence"),
    "weights": st.column_config.TextColumn("Weights", help="Whether the best weights are on this machine."),
}


def choose(catalog: Catalog) -> BackboneInfo:
    """A box with every backbone; type to search."""
    infos = {info.name: info for info in catalog.backbones}
    captions = {name: _caption(info) for name, info in infos.items()}
    first = FIRST if FIRST in infos else next(iter(infos))
    hint = "The network that was trained on other images; type to search."
    return infos[_box("Backbone", captions, key=CHOSEN, first=first, help=hint)]


def browse(catalog: Catalog) -> None:
    """All backbones as a table to sort and search; a click on a row chooses it in the box."""
    infos = catalog.backbones

    def take() -> None:
        for row in st.session_state["backbone_table"]["selection"]["rows"]:
            st.session_state[CHOSEN] = infos[row].name

    with section(f"Compare all {len(infos)} backbones", icon=":material/table_rows:", key="fold_backbones") as seen:
        if not seen:
            return
        st.caption("Click a row to choose it, a heading to sort; search with the magnifying glass of the table.")
        st.dataframe(
            pd.DataFrame([_row(info) for info in infos]),
            hide_index=True,
            height=320,
            key="backbone_table",
            on_select=take,
            selection_mode="single-row",
            column_config=_COLUMNS,
            alt=f"{len(infos)} backbones with size, cost and published accuracy",
        )


def choose_weights(info: BackboneInfo, brought: Mapping[str, str], runs: Sequence[Run]) -> str:
    """The value of RunConfig.weights: a published entry, none, a file somebody brought (id -> name), or an earlier
    run; the recommended first."""
    captions = {"default" if entry.is_default else entry.name: _entry_caption(entry) for entry in info.weights}
    captions["none"] = "Random weights: the backbone starts from nothing"
    captions |= {f"file:{id_}": f"Your file {text.short(name)}" for id_, name in brought.items()}
    for run in runs:
        if run.config.backbone == info.name and run.status in ("finished", "stopped") and run.summary:
            captions[f"run:{run.id}"] = f"Run {text.short(run.name)} ({run.id})"
    if PENDING in st.session_state:
        st.session_state[WEIGHTS] = st.session_state.pop(PENDING)
    hint = "Where the backbone starts. The head is new, unless it is known to be for the same classes."
    return _box("Weights", captions, key=WEIGHTS, first=next(iter(captions)), help=hint)


def facts(info: BackboneInfo, entry: WeightsInfo | None) -> None:
    """What this backbone with these weights costs and brings, as a row of badges."""
    size = entry.input_size if entry else info.input_size
    words = [f"{amount(info.parameters)} parameters", f"{info.gflops:.3g} GFLOPs an image", f"{size} px input"]
    if entry is not None:
        words.append(f"{entry.acc1:.1f} % top-1 on ImageNet" if entry.acc1 else "")
        words.append(text.bytes_(entry.file_bytes) if entry.file_bytes else "")
        words.append(entry.license)
    with st.container(horizontal=True, gap="xsmall"):
        for fact in filter(None, words):
            st.badge(text.md(fact), color="gray")
        if entry is not None and entry.on_disk:
            st.badge("on disk", icon=":material/hard_drive:", color="green")
        elif entry is not None:
            st.badge("download", icon=":material/download:", color="orange")


def missing(entry: WeightsInfo) -> None:
    """These weights are not on this machine: starting would download them, and three ways on without a network."""
    with st.container(border=True):
        size = f" ({text.bytes_(entry.file_bytes)})" if entry.file_bytes else ""
        st.markdown(
            f":material/cloud_download: **{text.md(entry.name)}**{size} is not on this machine. Starting will "
            "download it once; if there is no network, there are three ways on:"
        )
        upload, place, scratch = st.columns(3)
        upload.markdown("**Bring a file**: open *Bring a weights file* above, and drop it there.")
        place.markdown(f"**Put the file** `{text.plain(entry.file_name)}` into this folder:")
        place.code(str(checkpoints_folder()), language=None, wrap_lines=True)
        scratch.markdown("**Start from nothing**: slower to learn, and needs more images.")
        choice = {WEIGHTS: "none"}
        scratch.button("Train from random weights", on_click=st.session_state.update, args=(choice,), width="stretch")


def _box(label: str, captions: Mapping[str, str], *, key: str, first: str, help: str) -> str:
    """A select box over `captions` (value -> caption), with `first` where the session has no other."""
    if st.session_state.get(key) not in captions:
        st.session_state[key] = first
    caption = captions.__getitem__
    picked = st.selectbox(label, list(captions), key=key, format_func=caption, help=help, persist_state="session")
    return picked or first


def _row(info: BackboneInfo) -> dict[str, object]:
    """What is known of a backbone and its best published weights."""
    best = info.entry("default")
    return {
        "backbone": info.name,
        "top1": best.acc1 if best else None,
        "parameters": info.parameters,
        "gflops": info.gflops,
        "file": best.file_bytes if best else None,
        "input": best.input_size if best else info.input_size,
        "license": (best.license if best else "") or "not stated",
        "weights": "none published" if best is None else "on disk" if best.on_disk else "download",
    }


def _caption(info: BackboneInfo) -> str:
    best = info.entry("default")
    score = f" · {best.acc1:.1f} % on ImageNet" if best and best.acc1 else ""
    return f"{info.name} · {amount(info.parameters)} parameters{score}"


def _entry_caption(entry: WeightsInfo) -> str:
    words = [f"{entry.name} (best published)" if entry.is_default else entry.name]
    words += [f"{entry.acc1:.1f} %"] if entry.acc1 else []
    size = f" {text.bytes_(entry.file_bytes)}" if entry.file_bytes else ""
    return " · ".join([*words, "on disk" if entry.on_disk else f"download{size}"])
