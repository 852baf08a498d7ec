"""Outcome: the verdict of a comparison in words, and its table with one row a strategy.

Not here: computing either (engine.runs.judgement), figures, and the files to take home.
"""

from collections.abc import Mapping
from statistics import fmean

import pandas as pd
import streamlit as st

from engine.evaluation.verdict import Verdict
from engine.evaluation.wording import sentences
from engine.runs.comparison import without_seed
from engine.runs.judgement import by_label
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.comparison import differing_table
from pages.ui.judged import Arm, Judged
from pages.ui.resources import workspace

HOW = {
    "test": "Validation images chose the best epoch of every run and the strategy. The test images chose nothing: they only judge.",
    "val": "There are no test images: the images that chose also judge, so the figures flatter. The verdict takes that into account.",
}
_WORDS = {"test": "Test", "val": "Validation"}
_MANY = 7
"""Against more rivals than this, the sentences are folded."""
_SHOWN = {
    "better": "shown to be worse",
    "worse": "shown to be better",
    "equivalent": "equivalent",
    "no difference shown": "no difference shown",
}
"""The outcome of the chosen strategy against a rival, as said of the rival."""


def verdict(judged: Judged) -> None:
    """The verdict first, then what to take, then each rival, and what was left out or is still to come."""
    found = judged.judgement.verdict
    with st.container(border=True):
        if found is None:
            for sentence in judged.judgement.sentences:
                st.markdown(text.md(sentence))
            return
        said = sentences(found)
        rest = judged.judgement.sentences[len(said) :]
        rivals = len(found.rivals)
        choice, firmness = said[0], said[1 : 1 + bool(rivals)]
        against, (advice, *notes) = said[1 + bool(rivals) : 1 + bool(rivals) + rivals], said[1 + bool(rivals) + rivals :]
        st.markdown(f"**{text.md(choice)}**")
        st.caption(HOW[judged.split])
        st.success(text.md(advice), icon=":material/savings:") if rivals else st.info(text.md(advice), icon=":material/info:")
        if rivals > _MANY:
            with st.expander(f"Against each of the {rivals} others"):
                _list(against)
        else:
            _list(against)
        _list([*firmness, *notes])
        for sentence in rest:
            out = sentence.startswith("Not judged:")
            (st.warning if out else st.info)(text.md(sentence), icon=":material/block:" if out else ":material/hourglass_top:")


def table(judged: Judged) -> None:
    """The strategies side by side; a click on a heading sorts."""
    frame = rows(judged, workspace())
    percent, number = st.column_config.NumberColumn, st.column_config.NumberColumn
    word = _WORDS[judged.split]
    columns = {
        "strategy": st.column_config.TextColumn("Strategy", pinned=True),
        "verdict": st.column_config.TextColumn("Against the chosen", help="What is shown of it against the one that validation chose."),
        "runs": st.column_config.TextColumn("Runs", help="Runs that count, of those planned."),
        "accuracy": percent(f"{word}, %", format="%.1f", help="Mean accuracy over the seeds."),
        "interval": st.column_config.TextColumn("95 %", help="Where the accuracy lies, given these images and seeds."),
        "f1": number("Macro F1", format="%.3f"),
        "log_loss": number("Log loss", format="%.3f", help="Nats an image; what wrong and overconfident answers cost."),
        "calibration": percent("Calibration error, %", format="%.1f", help="How far confidence and accuracy are apart, mean of the seeds."),
        "band": st.column_config.TextColumn("if perfect", help="Where a perfectly calibrated run would lie on so many images, 95 %."),
        "best_epoch": number("Best epoch", format="%.1f"),
        "trains": number("Trains", format="compact", help="Parameters that train, at most."),
        "seconds": number("Seconds", format="%.1f", help="Of training, mean of the seeds."),
        "cache": number("Cache, s", format="%.1f", help="Computing the frozen part once; the first of several runs pays it for all."),
        "memory": number("Peak memory, MB", format="%.0f"),
        "checkpoint": number("Weights file, MB", format="%.1f"),
    }
    shown = {name: column for name, column in columns.items() if name in frame}
    st.dataframe(frame, hide_index=True, placeholder="–", column_config=shown, alt="Accuracy, calibration and cost of every strategy")


def differences(judged: Judged) -> None:
    """Only the options in which the strategies differ."""
    arms = {label: of[0] for label, of in by_label(judged.comparison, judged.runs).items() if of}
    frame = differing_table({label: without_seed(run.config) for label, run in arms.items()})
    if len(arms) < 2 or frame.empty:
        st.caption("Apart from the seed, all runs have the same configuration.")
        return
    st.dataframe(frame, hide_index=True, alt="Options in which the strategies differ")
    st.caption("All other options are equal.")


def rows(judged: Judged, workspace: Workspace) -> pd.DataFrame:
    """The table as numbers: shares as percent, bytes as megabytes; empty columns left out."""
    beside = _beside(judged.judgement.verdict)
    runs = by_label(judged.comparison, judged.runs)
    records = []
    for row in judged.judgement.table.to_dict("records"):
        label = str(row["label"])
        sizes = [_bytes(workspace, run.id) for run in runs.get(label, [])]
        records.append(
            {
                "strategy": text.short(label),
                "verdict": beside.get(label) or ("not judged" if row["kept_out"] else "not finished"),
                "runs": f"{row['runs']} of {row['planned']}",
                "accuracy": _times(row["test_accuracy" if judged.split == "test" else "val_accuracy"], 100),
                "interval": _interval(row) if judged.split == "test" else "",
                "f1": row["f1_macro"],
                "log_loss": row["log_loss"],
                **_calibration(judged.arms.get(label)),
                "best_epoch": row["best_epoch"],
                "trains": row["trainable_parameters"],
                "seconds": row["seconds"],
                "cache": row["cache_seconds"],
                "memory": _times(row["peak_memory_bytes"], 1e-6),
                "checkpoint": max((size for size in sizes if size), default=0) / 1e6 or None,
            }
        )
    return pd.DataFrame(records).replace("", None).dropna(axis=1, how="all")


def _beside(found: Verdict | None) -> dict[str, str]:
    return {} if found is None else {found.chosen: "chosen", **{rival.name: _SHOWN[rival.outcome] for rival in found.rivals}}


def _calibration(arm: Arm | None) -> Mapping[str, object]:
    if arm is None:
        return {"calibration": None, "band": ""}
    error, low, high = (100 * fmean(getattr(one, name) for one in arm.calibration) for name in ("error", "low", "high"))
    return {"calibration": error, "band": f"{low:.1f} to {high:.1f}{', above' if error > high else ''}"}


def _interval(row: Mapping) -> str:
    low, high = row["test_low"], row["test_high"]
    return "" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"


def _list(said: list[str] | tuple[str, ...]) -> None:
    if said:
        st.markdown("\n".join(f"- {text.md(sentence)}" for sentence in said))


def _times(value: object, factor: float) -> float | None:
    return float(str(value)) * factor if isinstance(value, int | float) and not pd.isna(value) else None


def _bytes(workspace: Workspace, run_id: str) -> int:
    try:
        return (workspace.run(run_id) / "best.safetensors").stat().st_size
    except OSError:
        return 0
