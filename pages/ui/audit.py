"""Audit: what moved in a run and what did not, block by block and tensor by tensor, as its audit.csv says.

Not here: measuring it (training.audit). A block's movement is the root mean square over its values of what each tensor
moved.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal, cast

import pandas as pd
import streamlit as st

from engine.store.run import Run
from pages.ui import addresses, block_strip, palette, text
from pages.ui.download import download
from pages.ui.resources import workspace
from pages.ui.section import section
from pages.ui.unfreezing import first_epochs

State = Literal["moved", "frozen", "broken", "idle", "waiting"]
NEW = 1.0
"""What the audit says of a tensor that began at zero (a new bias, BatchNorm's counters): it has no length to compare
with."""
FROM_ZERO = 1e6
"""Beyond it nothing is compared: the tensor has hardly any length to compare with."""
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What BatchNorm counts along moves far in every run and would hide how far the weights moved."""
_SAYS: dict[str, str] = {
    "moved": "moved",
    "frozen": "frozen, byte for byte what it was",
    "broken": "frozen, yet it moved",
    "idle": "could train, yet something in it stood still",
    "waiting": "had not started to train in the epoch that was kept",
}
_MARKS = {"broken": "✗", "idle": "!"}
_VERDICTS = {
    "broken": "✗ frozen, yet it moved",
    "idle": "! could train, stood still",
    "trained": "✓ trained",
    "frozen": "✓ frozen, unchanged",
}


@dataclass(frozen=True, kw_only=True)
class BlockMovement:
    """What became of one block."""

    name: str
    stage: str
    values: int
    state: State
    movement: float | None
    """Relative to where the block started; None where nothing can be compared."""


def is_audited(run: Run) -> bool:
    return run.status not in ("queued", "running") and _path(run).is_file()


def audit_details(run: Run) -> None:
    """The sentence with its tick, the strip with its key, and every tensor, folded."""
    table = audit_table(_path(run))
    _summary(run, table)
    with section("Tensor by tensor", icon=":material/table_rows:", key=f"fold_tensors_{run.id}") as seen:
        if seen:
            _tensors(run, table)


def audit_section(run: Run) -> None:
    """The same in one folded section, for pages that are about something else."""
    with section("What moved and what stayed frozen", icon=":material/verified:", key=f"fold_audit_{run.id}") as seen:
        if seen:
            table = audit_table(_path(run))
            _summary(run, table)
            _tensors(run, table)


def audit_table(path: Path) -> pd.DataFrame:
    """The rows of an audit.csv, kept until the file changes. Callers must not change it."""
    return _read(str(path), path.stat().st_mtime_ns)


def block_movements(table: pd.DataFrame, late: frozenset[str] = frozenset()) -> tuple[BlockMovement, ...]:
    """Every block in forward order; `late` names those that were to train only after the epoch that was kept."""
    return tuple(
        BlockMovement(
            name=str(name),
            stage=str(rows["stage"].iloc[0]),
            values=int(rows["values"].sum()),
            state=_state(set(rows["verdict"]), late=name in late),
            movement=_movement(rows),
        )
        for name, rows in table.groupby("block", sort=False)
    )


def movement_strip(moved: Sequence[BlockMovement]) -> str:
    """HTML for st.html: the strip shaded by how far each block moved, with the number under each stage."""
    stages = block_strip.by_stage(moved)
    bars = "".join(
        f"<div class='s' style='flex-grow:{block_strip.width(each)}'>{''.join(map(_bar, each))}</div>"
        for each in stages
    )
    names = "".join(
        f"<div class='s' style='flex-grow:{block_strip.width(each)}'><span class='n' "
        f"title='{escape(each[0].stage, quote=True)}'>"
        f"{escape(each[0].stage.rpartition('.')[2])}<br><small>{escape(_stage_says(each))}</small></span></div>"
        for each in stages
    )
    said = movement_sentence(moved)
    return (
        f"{block_strip.STYLE}<figure class='thaw-strip' style='--on:{palette.accent()}' "
        f"aria-label='{escape(said, quote=True)}'>"
        f"<figcaption>{escape(said)}</figcaption><div class='r'>{bars}</div>"
        f"<div class='r names{' crowded' if len(stages) > 8 else ''}' aria-hidden='true'>{names}</div></figure>"
    )


def movement_legend(moved: Sequence[BlockMovement]) -> str:
    """What the shades, the hatching and the marks mean; only those that occur."""
    there = {block.state for block in moved}
    shades = "".join(
        f"<i class='b moved' style='--much:{_shade(share)}%;margin-right:1px'></i>" for share in (1e-4, 1e-2, 1.0)
    )
    key = [f"<span>{shades} moved: 0.01 %, 1 %, 100 %</span>"] if "moved" in there else []
    key += [
        f"<span><i class='b{_class(s)}'>{_MARKS.get(s, '')}</i>{_SAYS[s]}</span>"
        for s in _SAYS
        if s in there and s != "moved"
    ]
    return f"{block_strip.STYLE}<div class='thaw-strip thaw-key' style='--on:{palette.accent()}'>{''.join(key)}</div>"


def movement_sentence(moved: Sequence[BlockMovement]) -> str:
    """`fc moved most: by 7.3 % of its length; then layer4.1, by 0.9 %. 8 blocks are frozen, byte for byte what they
    were.`"""
    far = sorted(
        (block for block in moved if block.state != "frozen" and block.movement), key=lambda b: -cast(float, b.movement)
    )
    said = (
        [f"{far[0].name} moved most, by {amount_moved(far[0].movement)} of what it was"] if far else ["No block moved"]
    )
    said += [f"then {far[1].name}, by {amount_moved(far[1].movement)}"] if len(far) > 1 else []
    frozen, broken = (sum(block.state == state for block in moved) for state in ("frozen", "broken"))
    rest = f" {frozen} of {text.count(len(moved), 'block')} stayed frozen." if frozen else ""
    return f"{'; '.join(said)}.{rest}" + (
        f" {text.count(broken, 'block')} should have been frozen and moved." if broken else ""
    )


def amount_moved(movement: float | None) -> str:
    """`0.031 %`, `7.3 %`, `41 %`, `12 times`; "from zero" where a tensor started at zero."""
    if movement is None or math.isnan(movement):
        return "not measured"
    if movement > FROM_ZERO:
        return "from zero" if math.isfinite(movement) else "not measured"
    if movement == NEW:
        return "from zero"
    if movement >= 9.995:
        return f"{movement:.3g} times"
    if movement >= 0.0995:
        return f"{100 * movement:.0f} %"
    return "under 0.001 %" if 0 < movement < 1e-5 else f"{100 * movement:.2g} %"


def tensor_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every tensor for people, what went wrong first."""
    order = {verdict: turn for turn, verdict in enumerate(("broken", "idle"))}
    movements = [
        amount_moved(moved) if verdict != "frozen" else "–"
        for moved, verdict in zip(table["movement"], table["verdict"], strict=True)
    ]
    turns = [order.get(verdict, 2) for verdict in table["verdict"]]
    rows = table.assign(_moved=movements, _order=turns).sort_values("_order", kind="stable")
    return pd.DataFrame(
        {
            "Tensor": rows["tensor"],
            "Moved by": rows["_moved"],
            "Outcome": [_VERDICTS.get(verdict, verdict) for verdict in rows["verdict"]],
            "Block": rows["block"],
            "Values": rows["values"],
        }
    )


def _summary(run: Run, table: pd.DataFrame) -> None:
    kept = int(str((run.summary or {}).get("best_epoch") or 0))
    late = frozenset(name for name, first in first_epochs(run.started or {}).items() if kept and first > kept)
    moved = _kept_movements(str(_path(run)), _path(run).stat().st_mtime_ns, late)
    states = {block.state for block in moved}
    said = text.md(str((run.summary or {}).get("audit") or ""))
    if "broken" in states:
        st.error(said or "Something frozen moved.", icon=":material/gpp_bad:")
    elif "idle" in states:
        st.warning(said or "Something that could train stood still.", icon=":material/pause_circle:")
    else:
        st.success(said or "Everything frozen is byte for byte what it was.", icon=":material/verified:")
    if "waiting" in states:
        names = text.listing([block.name for block in moved if block.state == "waiting"], 3)
        st.caption(
            f"The best epoch is kept: epoch {kept}. {text.md(names)} had not started to train by then; what came "
            f"later is not in it."
        )
    st.html(movement_strip(moved))
    st.html(movement_legend(moved))


def _tensors(run: Run, table: pd.DataFrame) -> None:
    st.dataframe(
        tensor_table(table),
        hide_index=True,
        height=320,
        column_config={
            "Moved by": st.column_config.TextColumn(help="Length of the change over the length at the start."),
            "Tensor": st.column_config.TextColumn(width="medium"),
        },
        alt=f"{len(table)} tensors with their block and what became of them",
    )
    download("Download audit.csv", addresses.run_file(run.id, "audit.csv"), key=f"audit_{run.id}")


def _state(verdicts: set[str], *, late: bool) -> State:
    if "broken" in verdicts:
        return "broken"
    if late and "trained" not in verdicts:
        return "waiting"
    if "idle" in verdicts:
        return "idle"
    return "moved" if "trained" in verdicts else "frozen"


def _movement(rows: pd.DataFrame) -> float | None:
    known = rows[rows["may_move"] & (rows["movement"] <= FROM_ZERO) & (rows["movement"] != NEW)]  # nan goes too
    weights = known[~known["tensor"].str.endswith(_STATISTICS)]
    known = known if weights.empty else weights
    values = known["values"].sum()
    return math.sqrt(float((known["values"] * known["movement"] ** 2).sum()) / float(values)) if values else None


def _bar(block: BlockMovement) -> str:
    much = f", by {amount_moved(block.movement)} of what it was" if block.state == "moved" else ""
    said = escape(f"{block.name}: {_SAYS[block.state]}{much}", quote=True)
    shade = f" style='--much:{_shade(block.movement or 0.0)}%'" if block.state == "moved" else ""
    return f"<i class='b{_class(block.state)}'{shade} title='{said}'>{_MARKS.get(block.state, '')}</i>"


def _class(state: State | str) -> str:
    return {"frozen": "", "moved": " moved", "waiting": " waiting"}.get(state, f" said {state}")


def _shade(movement: float) -> int:
    """Percent of the accent: a step for every factor of ten, from 0.01 % of movement to 100 %."""
    return round(min(max(15 + 85 * (math.log10(max(movement, 1e-9)) + 4) / 4, 15), 100))


def _stage_says(members: Sequence[BlockMovement]) -> str:
    for state, word in (("broken", "✗ moved"), ("idle", "! still")):
        if any(block.state == state for block in members):
            return word
    known = [
        (block.values, block.movement) for block in members if block.state == "moved" and block.movement is not None
    ]
    if not known:
        return "later" if any(block.state == "waiting" for block in members) else "frozen"
    return amount_moved(
        math.sqrt(sum(values * movement**2 for values, movement in known) / sum(values for values, _ in known))
    )


def _path(run: Run) -> Path:
    return workspace().run(run.id) / "audit.csv"


@st.cache_resource(show_spinner=False, max_entries=32)
def _kept_movements(path: str, modified_ns: int, late: frozenset[str]) -> tuple[BlockMovement, ...]:
    return block_movements(audit_table(Path(path)), late)


@st.cache_data(show_spinner=False, max_entries=16)
def _read(path: str, modified_ns: int) -> pd.DataFrame:
    words = dict.fromkeys(("tensor", "block", "stage", "verdict"), "str")
    return pd.read_csv(
        path,
        dtype={**words, "values": "int64", "movement": "float64"},
        keep_default_na=False,
        na_values={"movement": ["nan"]},
    )
