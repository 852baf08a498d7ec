"""Outcome: the verdict of a comparison in words, and its table with one row a strategy.

Not here: computing either (engine.comparisons.judgement), what guessing would reach (guessing), figures, and the files
to take home.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd
import streamlit as st

from engine.comparisons.comparison import without_seed
from engine.comparisons.judgement import by_label
from engine.data.dataset_records import SPLIT_NAMES
from engine.evaluation.verdict import Verdict
from engine.evaluation.wording import sentences
from engine.workspace import Workspace
from pages.ui import text
from pages.ui.compare import chance
from pages.ui.compare.evidence import Arm, Judged
from pages.ui.compare.run_table import differing_table
from pages.ui.resources import workspace

HOW = {
    "test": "Validation images chose the best epoch of every run and the strategy. The test images chose nothing: "
    "they only judge.",
    "val": "There are no test images: the images that chose also judge, so the figures flatter. The verdict takes "
    "that into account.",
}
COLUMNS = {
    "strategy": ("Strategy", ""),
    "verdict": ("Against the chosen", "What is shown of it against the one that validation chose."),
    "runs": ("Runs", "Runs that count, of those planned."),
    "accuracy": ("Accuracy, %", "Share of the images it gets right, mean over the seeds."),
    "interval": ("95 % interval", "Where the accuracy would lie on other images like these and with other seeds."),
    "f1": (
        "Macro F1",
        "Precision and recall in one number, every class counting the same however many images it has. 1 is perfect.",
    ),
    "log_loss": ("Log loss", "What wrong answers cost, most those that it was sure of. 0 is perfect."),
    "calibration": ("Calibration error, %", "How far its confidence and its accuracy are apart, mean of the seeds."),
    "band": (
        "if calibrated",
        "What the calibration error would be by chance, on so many images, had it been perfectly calibrated.",
    ),
    "best_epoch": ("Best epoch", "The epoch whose weights were kept, mean of the seeds."),
    "trains": ("Trains", "Parameters that train, at most."),
    "seconds": ("Training time, s", "Mean of the seeds; without what is computed once for all (Cache)."),
    "cache": (
        "Cache, s",
        "Seconds of computing the frozen part once, mean of the seeds; the first of several runs pays it for all.",
    ),
    "memory": ("Memory, MB", "The most memory that one of its runs took at once."),
    "checkpoint": ("Weights, MB", "What the trained weights take on disk."),
}
"""Column of `rows` -> (heading, what it says)."""
_DIGITS = {
    "accuracy": "%.1f",
    "f1": "%.3f",
    "log_loss": "%.3f",
    "calibration": "%.1f",
    "best_epoch": "%.1f",
    "trains": "compact",
}
_DIGITS |= {"seconds": "%.1f", "cache": "%.1f", "memory": "%.0f", "checkpoint": "%.1f"}
_MANY = 7
"""Against more rivals than this, the sentences are folded."""
_OUT, _FEW = "Not judged:", 2
"""How a sentence about runs that do not count begins, and how many of them stand open."""
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
            st.markdown(text.md(judged.judgement.sentences[0]))
            _rest(judged.judgement.sentences[1:])
            return
        said = sentences(found)
        rest = judged.judgement.sentences[len(said) :]
        rivals = len(found.rivals)
        choice, firmness = said[0], said[1 : 1 + bool(rivals)]
        against, (advice, *notes) = (
            said[1 + bool(rivals) : 1 + bool(rivals) + rivals],
            said[1 + bool(rivals) + rivals :],
        )
        st.markdown(f"**{text.md(choice)}**")
        st.caption(HOW[judged.split])
        doubt = chance.doubt(judged)
        if doubt:
            st.warning(text.md(doubt), icon=":material/casino:")
        _advise(
            f"So far: {advice[:1].lower()}{advice[1:]}" if judged.unsettled else advice,
            rivals=rivals,
            sure=not doubt and not judged.unsettled,
        )
        if uncounted := besides(judged):
            st.caption(text.md(uncounted))
        if rivals > _MANY:
            with st.expander(f"Against each of the {rivals} others"):
                _list(against)
        else:
            _list(against)
        _list([*firmness, *notes])
        _rest(rest)


def _rest(said: Sequence[str]) -> None:
    """What does not count, folded when it is much, and what is still to come."""
    out = [sentence for sentence in said if sentence.startswith(_OUT)]
    if len(out) > _FEW:
        with st.expander(f"{len(out)} reasons why runs are not judged", icon=":material/block:"):
            _list([sentence.removeprefix(_OUT).strip() for sentence in out])
    else:
        for sentence in out:
            st.warning(text.md(sentence), icon=":material/block:")
    for sentence in said:
        if sentence not in out:
            st.info(text.md(sentence), icon=":material/hourglass_top:")


def table(judged: Judged) -> None:
    """The strategies side by side; a click on a heading sorts."""
    frame, named = rows(judged, workspace()), headings(judged)
    shown = {}
    for name in frame:
        title, help_ = named[name], COLUMNS[name][1] or None
        if name in _DIGITS:
            shown[name] = st.column_config.NumberColumn(title, format=_DIGITS[name], help=help_)
        else:
            shown[name] = st.column_config.TextColumn(title, help=help_, pinned=name == "strategy")
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="–",
        column_config=shown,
        alt="Accuracy, calibration and cost of every strategy",
    )
    for said in filter(None, (flattery(judged), chance.baseline(judged))):
        st.caption(text.md(said))
    legend(frame, named)


def headings(judged: Judged) -> dict[str, str]:
    """Column of `rows` -> its heading; what validation flatters is called so."""
    named = {name: title for name, (title, _) in COLUMNS.items()}
    named["accuracy"] = f"{SPLIT_NAMES[judged.split].capitalize()}, %"
    return named if judged.split == "test" else named | {"interval": "95 %, optimistic"}


def besides(judged: Judged) -> str:
    """What the seconds of the advice leave out, where it is more than they are; nothing otherwise."""
    found, records = judged.judgement.verdict, judged.judgement.table.to_dict("records")
    if found is None or not found.rivals:
        return ""
    spent = {
        str(row["label"]): (_times(row["seconds"], 1) or 0.0, _times(row["cache_seconds"], 1) or 0.0) for row in records
    }
    seconds, shared = spent[found.cheapest]
    if not shared > seconds:
        return ""
    chosen = spent[found.chosen][1]
    others = (
        f" and {text.duration(chosen)} a run of {found.chosen}" if found.chosen != found.cheapest and chosen else ""
    )
    mine = f"{text.duration(shared)} a run of {found.cheapest}"
    return f"Not counted as training: computing the frozen part once for all, {mine}{others} on average."


def flattery(judged: Judged) -> str:
    """Why the intervals are too good where validation images judge, and by how much; nothing where test images do."""
    found = judged.judgement.verdict
    if judged.split == "test" or found is None:
        return ""
    _, much, many = sentences(found)[0].rpartition("No test images judged it")  # no name stands behind these words
    return f"The 95 % intervals are of validation accuracy and optimistic, because it chose. {much}{many}"


def legend(frame: pd.DataFrame, named: Mapping[str, str]) -> None:
    """What the columns mean, for those who cannot hover over a heading."""
    with st.expander("What the columns mean", icon=":material/help:"):
        said = [f"- **{named[name]}**: {COLUMNS[name][1]}" for name in frame if COLUMNS[name][1]]
        st.markdown("\n".join(said))


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
    labels = [str(row) for row in judged.judgement.table["label"]]
    for row, name in zip(judged.judgement.table.to_dict("records"), text.distinct(labels), strict=True):
        label = str(row["label"])
        sizes = [_bytes(workspace, run.id) for run in runs.get(label, [])]
        records.append(
            {
                "strategy": name,
                "verdict": beside.get(label) or ("not judged" if row["kept_out"] else "not finished"),
                "runs": f"{row['runs']} of {row['planned']}",
                "accuracy": _times(row["test_accuracy" if judged.split == "test" else "val_accuracy"], 100),
                "interval": _interval(judged, label, row),
                "f1": row["f1_macro"] if judged.split == "test" else None,
                "log_loss": row["log_loss"] if judged.split == "test" else None,
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
    return (
        {}
        if found is None
        else {found.chosen: "chosen", **{rival.name: _SHOWN[rival.outcome] for rival in found.rivals}}
    )


def _calibration(arm: Arm | None) -> Mapping[str, object]:
    if arm is None:
        return {"calibration": None, "band": ""}
    error, low, high = (100 * fmean(getattr(one, name) for one in arm.calibration) for name in ("error", "low", "high"))
    return {"calibration": error, "band": f"{low:.1f} to {high:.1f}{', above' if error > high else ''}"}


def _interval(judged: Judged, label: str, row: Mapping) -> str:
    """Of what counts; a strategy that is not judged still has the one of its test images."""
    known = judged.reach.get(label) or ((row["test_low"], row["test_high"]) if judged.split == "test" else None)
    return "" if known is None or pd.isna(known[0]) else f"{100 * known[0]:.1f} to {100 * known[1]:.1f}"


def _advise(advice: str, *, rivals: int, sure: bool) -> None:
    """In green only what more runs will not overturn."""
    if not rivals:
        st.info(text.md(advice), icon=":material/info:")
    elif sure:
        st.success(text.md(advice), icon=":material/savings:")
    else:
        st.info(text.md(advice), icon=":material/savings:")


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
