"""Verdict: the box of a comparison, and the table with one row a strategy.

Not here: computing either (engine.comparisons.judgement), the sentences (engine.comparisons.wording), figures.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import fmean

import pandas as pd
import streamlit as st

from engine.comparisons import wording
from engine.comparisons.comparison import Comparison, without_seed
from engine.comparisons.judgement import Judgement, Row, by_label
from engine.data.dataset_records import SPLIT_NAMES
from engine.errors import EngineError
from engine.evaluation.margin import MARGINS
from engine.evaluation.verdict import Verdict
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare.evidence import Evidence, StrategyAnswers
from pages.ui.compare.run_table import differing_table
from pages.ui.resources import comparison_store, workspace

HOW = {
    "test": "Validation images chose the best epoch of every run and the strategy. The test images chose nothing: "
    "they only judge.",
    "val": "There are no test images: the images that chose also judge, so the figures flatter. The verdict takes "
    "that into account.",
}
COLUMNS = {
    "strategy": ("Strategy", "", ""),
    "verdict": ("Against the chosen", "", "What is shown of it against the one that validation chose."),
    "runs": ("Runs", "", "Runs that count, of those planned."),
    "accuracy": ("Accuracy, %", "%.1f", "Share of the images it gets right, mean over the seeds."),
    "interval": ("95 % interval", "", "Where the accuracy would lie on other images like these and with other seeds."),
    "f1": (
        "Macro F1",
        "%.3f",
        "Precision and recall in one number, every class counting the same however many images it has. 1 is perfect.",
    ),
    "log_loss": ("Log loss", "%.3f", "What wrong answers cost, most those that it was sure of. 0 is perfect."),
    "calibration": (
        "Calibration error, %",
        "%.1f",
        "How far its confidence and its accuracy are apart, mean of the seeds.",
    ),
    "band": (
        "if calibrated",
        "",
        "What the calibration error would be by chance, on so many images, had it been perfectly calibrated.",
    ),
    "best_epoch": ("Best epoch", "%.1f", "The epoch whose weights were kept, mean of the seeds."),
    "trains": ("Trains", "compact", "Parameters that train, at most."),
    "seconds": ("Training time, s", "%.1f", "Mean of the seeds; without what is computed once for all (Cache)."),
    "cache": (
        "Cache, s",
        "%.1f",
        "Seconds of computing the frozen part once, mean of the seeds; the first of several runs pays it for all.",
    ),
    "memory": ("Memory, MB", "%.0f", "The most memory that one of its runs took at once."),
    "checkpoint": ("Weights, MB", "%.1f", "What the trained weights take on disk."),
}
"""Column of `strategy_rows` -> (heading, format of a number, what it says)."""
_FEW = 2
"""So many reasons why runs do not count stand open."""
_SHOWN = {
    "better": "shown to be worse",
    "worse": "shown to be better",
    "equivalent": "equivalent",
    "no difference shown": "no difference shown",
}
"""The outcome of the chosen strategy against a rival, as said of the rival."""


def verdict_box(evidence: Evidence) -> None:
    """What to take in everyday words, what is shown of that, what it rests on, and what is not in it."""
    judged = evidence.judgement
    with st.container(border=True):
        if judged.verdict is None:
            st.markdown(text.md(wording.headline(judged)))
        else:
            _verdict(evidence, judged.verdict)
        _kept_out(judged)
        if to_come := wording.to_come(judged):
            st.info(text.md(to_come), icon=":material/hourglass_top:")


def _verdict(evidence: Evidence, verdict: Verdict) -> None:
    judged = evidence.judgement
    st.markdown(f"**{text.md(wording.headline(judged))}**")
    box, icon = _look(judged, verdict)
    box(text.md(wording.advice(judged)), icon=f":material/{icon}:")
    if frozen_part := frozen_part_seconds(judged):
        st.caption(text.md(frozen_part))
    with st.expander("What this rests on", icon=":material/functions:"):
        st.caption(HOW[judged.split])
        _list(wording.statistics(judged))
        if verdict.rivals:
            _margin(evidence.comparison)


def _look(judged: Judgement, verdict: Verdict) -> tuple[Callable[..., object], str]:
    """(box, icon) of the advice: green only for what is shown, and what more runs will not overturn."""
    if judged.doubtful:
        return st.warning, "casino"
    if not verdict.advice.shown:
        return st.info, "balance" if verdict.rivals else "info"
    return (st.info if judged.to_come else st.success), "savings"


def _margin(comparison: Comparison) -> None:
    """The field of the margin, which is kept with the comparison."""
    st.number_input(
        "Margin, points",
        *MARGINS,
        comparison.margin,
        step=0.5,
        format="%.1f",
        key=f"margin_{comparison.id}",
        on_change=partial(_keep_margin, comparison.id),
        help="A cheaper strategy is as good where it is shown to lose no more than this many points of accuracy.",
        width=200,
    )


def _keep_margin(comparison_id: str) -> None:
    with suppress(EngineError):  # deleted in another tab, which the page says
        comparison_store().set_margin(comparison_id, st.session_state[f"margin_{comparison_id}"])


def _kept_out(judged: Judgement) -> None:
    """What does not count, folded when it is much."""
    reasons = [wording.kept_out_sentence(kept_out) for kept_out in judged.kept_out]
    if len(reasons) > _FEW:
        with st.expander(f"{len(reasons)} reasons why runs are not judged", icon=":material/block:"):
            _list(reasons)
        return
    for reason in reasons:
        st.warning(text.md(f"Not judged: {reason}"), icon=":material/block:")


def strategy_table(evidence: Evidence) -> None:
    """The strategies side by side; a click on a heading sorts."""
    frame, titles = strategy_rows(evidence, workspace()), headings(evidence.judgement)
    columns = {}
    for name in frame:
        _, digits, help_ = COLUMNS[name]
        columns[name] = (
            st.column_config.NumberColumn(titles[name], format=digits, help=help_)
            if digits
            else st.column_config.TextColumn(titles[name], help=help_ or None, pinned=name == "strategy")
        )
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        column_config=columns,
        alt="Accuracy, calibration and cost of every strategy",
    )
    for note in table_notes(evidence.judgement):
        st.caption(text.md(note))
    with st.expander("What the columns mean", icon=":material/help:"):  # for those who cannot hover over a heading
        st.markdown("\n".join(f"- **{titles[name]}**: {COLUMNS[name][2]}" for name in frame if COLUMNS[name][2]))


def headings(judged: Judgement) -> dict[str, str]:
    """Column of `strategy_rows` -> its heading; what validation flatters is called so."""
    titles = {name: title for name, (title, *_) in COLUMNS.items()}
    titles["accuracy"] = f"{SPLIT_NAMES[judged.split].capitalize()}, %"
    return titles if judged.split == "test" else titles | {"interval": "95 %, optimistic"}


def table_notes(judged: Judgement) -> list[str]:
    """What stands under the table: why intervals of validation accuracy are too good, and what guessing reaches."""
    notes = [wording.baseline_sentence(judged.baseline)] if judged.baseline else []
    if judged.verdict and (flattery := wording.wording(judged.verdict).flattery):
        notes.insert(0, f"The 95 % intervals are of validation accuracy and optimistic, because it chose. {flattery}")
    return notes


def frozen_part_seconds(judged: Judgement) -> str:
    """What the seconds of the advice leave out, where it is more than they are; nothing otherwise."""
    verdict, rows = judged.verdict, {row.label: row for row in judged.rows}
    if verdict is None or judged.doubtful or verdict.advice.reason not in ("rival is as good", "cheaper may do"):
        return ""
    assert verdict.advice.rival is not None
    cheaper, chosen = rows[verdict.advice.rival.name], rows[verdict.chosen].cache_seconds
    if (cheaper.cache_seconds or 0.0) <= (cheaper.seconds or 0.0):
        return ""
    runs = f"{text.duration(cheaper.cache_seconds or 0.0)} a run of {cheaper.label}"
    if chosen:
        runs += f" and {text.duration(chosen)} a run of {verdict.chosen}"
    return f"Not counted as training: computing the frozen part once for all, {runs} on average."


def option_differences(evidence: Evidence) -> None:
    """Only the options in which the strategies differ."""
    arms = by_label(evidence.comparison, evidence.runs)
    frame = differing_table({label: without_seed(of[0].config) for label, of in arms.items()})
    if len(arms) < 2 or frame.empty:
        st.caption("Apart from the seed, all runs have the same configuration.")
        return
    st.dataframe(frame, hide_index=True, alt="Options in which the strategies differ")
    st.caption("All other options are equal.")


def strategy_rows(evidence: Evidence, workspace: Workspace) -> pd.DataFrame:
    """The table as numbers: shares as percent, bytes as megabytes; empty columns left out."""
    judged = evidence.judgement
    runs, tested = by_label(evidence.comparison, evidence.runs), judged.split == "test"
    rivals = judged.verdict.rivals if judged.verdict else ()
    beside = {rival.name: _SHOWN[rival.outcome] for rival in rivals}
    if judged.verdict:
        beside[judged.verdict.chosen] = "chosen"
    records = []
    for row, name in zip(judged.rows, text.distinct([row.label for row in judged.rows]), strict=True):
        accuracy = row.test_accuracy if tested else row.val_accuracy
        checkpoint = max((_checkpoint_bytes(workspace, run.id) for run in runs.get(row.label, [])), default=0)
        records.append(
            {
                "strategy": name,
                "verdict": beside.get(row.label) or ("not judged" if row.kept_out else "not finished"),
                "runs": f"{row.runs} of {row.planned}",
                "accuracy": None if accuracy is None else 100 * accuracy,
                "interval": _interval(judged, row),
                "f1": row.f1_macro if tested else None,
                "log_loss": row.log_loss if tested else None,
                **_calibration(evidence.arms.get(row.label)),
                "best_epoch": row.best_epoch,
                "trains": row.trainable_parameters,
                "seconds": row.seconds,
                "cache": row.cache_seconds,
                "memory": None if row.peak_memory_bytes is None else row.peak_memory_bytes / 1e6,
                "checkpoint": checkpoint / 1e6 or None,
            }
        )
    return pd.DataFrame(records).replace("", None).dropna(axis=1, how="all")


def _calibration(arm: StrategyAnswers | None) -> Mapping[str, object]:
    if arm is None:
        return {"calibration": None, "band": ""}
    error, low, high = (100 * fmean(getattr(one, name) for one in arm.calibration) for name in ("error", "low", "high"))
    return {"calibration": error, "band": f"{low:.1f} to {high:.1f}{', above' if error > high else ''}"}


def _interval(judged: Judgement, row: Row) -> str:
    """Of what counts; a strategy that is not judged still has the one of its test images."""
    low, high = judged.intervals.get(row.label) or (
        (row.test_low, row.test_high) if judged.split == "test" else (None, None)
    )
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def _list(sentences: Sequence[str]) -> None:
    if sentences:
        st.markdown("\n".join(f"- {text.md(sentence)}" for sentence in sentences))


def _checkpoint_bytes(workspace: Workspace, run_id: str) -> int:
    try:
        return (workspace.run(run_id) / "best.safetensors").stat().st_size
    except OSError:
        return 0
