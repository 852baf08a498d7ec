"""Backbones: choose a backbone and the weights it starts from, with the facts to choose by.

Not here: where the facts come from (models.catalog) and bringing a weights file (weights_file).
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.models.catalog import BackboneInfo, Catalog, WeightsInfo, checkpoints_folder
from engine.store.run import Run
from pages.ui import text
from pages.ui.block_strip import amount
from pages.ui.section import section

CHOSEN = "backbone_name"
WEIGHTS = "weights_value"
PENDING = "weights_pending"
"""Weights to select when the box is drawn next; a widget cannot be changed after it was drawn."""
FIRST = "resnet18"
RANDOM = "Random weights: the backbone starts from nothing"


def choose(catalog: Catalog) -> BackboneInfo:
    """A box with every backbone; type to search."""
    infos = {info.name: info for info in catalog.backbones}
    if st.session_state.get(CHOSEN) not in infos:
        st.session_state[CHOSEN] = FIRST if FIRST in infos else next(iter(infos))
    name = st.selectbox(
        "Backbone",
        list(infos),
        key=CHOSEN,
        format_func=lambda name: _caption(infos[name]),
        help="The network that was trained on other images; type to search.",
        persist_state="session",
    )
    return infos[name or FIRST]


def browse(catalog: Catalog) -> None:
    """All backbones as a table to sort and search; a click on a row chooses it in the box."""
    infos = catalog.backbones

    def take() -> None:
        rows = st.session_state["backbone_table"]["selection"]["rows"]
        if rows:
            st.session_state[CHOSEN] = infos[rows[0]].name

    with section(f"Compare all {len(infos)} backbones", icon=":material/table_rows:", key="fold_backbones") as seen:
        if seen:
            st.caption("Click a row to choose it, a heading to sort; search with the magnifying glass of the table.")
            _table(infos, take)


def table(infos: Sequence[BackboneInfo]) -> pd.DataFrame:
    """One row a backbone, with what is known of its best published weights."""
    return pd.DataFrame([_row(info) for info in infos])


def choose_weights(info: BackboneInfo, brought: Mapping[str, str], runs: Sequence[Run]) -> str:
    """The value of RunConfig.weights: a published entry, none, a file somebody brought (id -> name), or an earlier
    run."""
    captions = weights_captions(info, brought, runs)
    if PENDING in st.session_state:
        st.session_state[WEIGHTS] = st.session_state.pop(PENDING)
    if st.session_state.get(WEIGHTS) not in captions:
        st.session_state[WEIGHTS] = next(iter(captions))
    chosen = st.selectbox(
        "Weights",
        list(captions),
        key=WEIGHTS,
        format_func=lambda value: captions.get(value, value),
        help="Where the backbone starts. The head is always new, except when you continue an earlier run.",
        persist_state="session",
    )
    return chosen or "none"


def weights_captions(info: BackboneInfo, brought: Mapping[str, str], runs: Sequence[Run]) -> dict[str, str]:
    """Value of RunConfig.weights -> what it is, in words; the recommended first."""
    entries = sorted(info.weights, key=lambda entry: not entry.is_default)
    captions = {"default" if entry.is_default else entry.name: _entry_caption(entry) for entry in entries}
    captions["none"] = RANDOM
    captions |= {f"file:{id_}": f"Your file {text.short(name)}" for id_, name in brought.items()}
    fitting = [
        run
        for run in runs
        if run.config.backbone == info.name and run.status in ("finished", "stopped") and run.summary
    ]
    captions |= {f"run:{run.id}": f"Run {text.short(run.name)} ({run.id})" for run in fitting}
    return captions


def entry_of(info: BackboneInfo, value: str) -> WeightsInfo | None:
    """The published entry that a value of RunConfig.weights means, if it means one."""
    return next(
        (entry for entry in info.weights if value in (entry.name, "default" if entry.is_default else entry.name)), None
    )


def facts(info: BackboneInfo, entry: WeightsInfo | None) -> None:
    """What this backbone with these weights costs and brings, as a row of badges."""
    said = [
        f"{amount(info.parameters)} parameters",
        f"{info.gflops:.3g} GFLOPs an image",
        f"{_side(info, entry)} px input",
    ]
    if entry is not None:
        said += [f"{entry.acc1:.1f} % top-1 on ImageNet"] if entry.acc1 else []
        said += [text.bytes_(entry.file_bytes)] if entry.file_bytes else []
        said += [entry.license] if entry.license else []
    with st.container(horizontal=True, gap="xsmall"):
        for words in said:
            st.badge(text.md(words), color="gray")
        if entry is not None:
            if entry.on_disk:
                st.badge("on disk", icon=":material/hard_drive:", color="green")
            else:
                st.badge("download", icon=":material/download:", color="orange")


def missing(info: BackboneInfo, entry: WeightsInfo) -> None:
    """The chosen weights are not on this machine: starting would download them, and three ways on without a network."""
    with st.container(border=True):
        size = f" ({text.bytes_(entry.file_bytes)})" if entry.file_bytes else ""
        st.markdown(
            f":material/cloud_download: **{text.md(entry.name)}**{size} is not on this machine. Starting will "
            f"download it once; "
            "if there is no network, there are three ways on:"
        )
        upload, place, scratch = st.columns(3)
        upload.markdown("**Bring a file**: open *Bring a weights file* above, and drop it there.")
        place.markdown(f"**Put the file** `{text.plain(entry.file_name)}` into this folder:")
        place.code(str(checkpoints_folder()), language=None, wrap_lines=True)
        scratch.markdown("**Start from nothing**: slower to learn, and needs more images.")
        scratch.button("Train from random weights", on_click=choose_value, args=("none",), width="stretch")


def choose_value(value: str) -> None:
    """Select these weights in the box."""
    st.session_state[WEIGHTS] = value


def _table(infos: Sequence[BackboneInfo], take: Callable[[], None]) -> None:
    st.dataframe(
        table(infos),
        hide_index=True,
        height=320,
        key="backbone_table",
        on_select=take,
        selection_mode="single-row",
        column_config={
            "backbone": st.column_config.TextColumn("Backbone", pinned=True),
            "top1": st.column_config.NumberColumn(
                "Top-1", format="%.1f %%", help="Published accuracy on ImageNet of the best weights."
            ),
            "parameters": st.column_config.NumberColumn("Parameters", format="compact"),
            "gflops": st.column_config.NumberColumn(
                "GFLOPs", format="%.2f", help="Billions of multiply-adds an image."
            ),
            "file": st.column_config.NumberColumn("File", format="bytes"),
            "input": st.column_config.NumberColumn("Input", format="%d px"),
            "license": st.column_config.TextColumn("Licence"),
            "weights": st.column_config.TextColumn("Weights", help="Whether the best weights are on this machine."),
        },
        alt=f"{len(infos)} backbones with size, cost and published accuracy",
    )


def _row(info: BackboneInfo) -> dict[str, object]:
    best = next((entry for entry in info.weights if entry.is_default), None)
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
    best = next((entry for entry in info.weights if entry.is_default), None)
    score = f" · {best.acc1:.1f} % on ImageNet" if best and best.acc1 else ""
    return f"{info.name} · {amount(info.parameters)} parameters{score}"


def _entry_caption(entry: WeightsInfo) -> str:
    said = [f"{entry.name} (best published)" if entry.is_default else entry.name]
    said += [f"{entry.acc1:.1f} %"] if entry.acc1 else []
    said.append(
        "on disk" if entry.on_disk else f"download {text.bytes_(entry.file_bytes)}" if entry.file_bytes else "download"
    )
    return " · ".join(said)


def _side(info: BackboneInfo, entry: WeightsInfo | None) -> int:
    return entry.input_size if entry is not None else info.input_size
