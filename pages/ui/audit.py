"""Audit: what moved in a run and what did not, block by block and tensor by tensor, as its audit.csv says.

Not here: measuring it (training.audit).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from engine.store.run_record import Run
from pages.ui import addresses, text
from pages.ui.figures import block_strip
from pages.ui.resources import kept_by_file, workspace
from pages.ui.unfreezing import first_epochs
from pages.ui.widgets.download_link import download
from pages.ui.widgets.section import section

State = Literal["moved", "frozen", "broken", "idle", "waiting"]
NEW = 1.0
"""What the audit says of a tensor that began at zero (a new bias, BatchNorm's counters)."""
FROM_ZERO = 1e6
"""Beyond it the tensor had hardly any length to compare with."""
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What BatchNorm counts along moves far in every run and would hide the weights."""
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
    name: str
    stage: str
    values: int
    state: State
    movement: float | None
    """Root mean square over the values, relative to the start; None where nothing can be compared."""


def is_audited(run: Run) -> bool:
    return run.status not in ("queued", "running") and _path(run).is_file()


def audit_details(run: Run) -> None:
    """The sentence with its tick, the strip with its legend, and every tensor, folded."""
    _summary(run)
    with section("Tensor by tensor", icon=":material/table_rows:", key=f"fold_tensors_{run.id}") as seen:
        if seen:
            _tensors(run)


def audit_section(run: Run) -> None:
    """The same in one folded section, for pages that are about something else."""
    with section("What moved and what stayed frozen", icon=":material/verified:", key=f"fold_audit_{run.id}") as seen:
        if seen:
            _summary(run)
            _tensors(run)


@kept_by_file
def audit_table(path: Path) -> pd.DataFrame:
    """The rows of an audit.csv; a name such as NA is no missing value."""
    text_columns = dict.fromkeys(("tensor", "block", "stage", "verdict"), "str")
    return pd.read_csv(path, dtype=text_columns, keep_default_na=False, na_values={"movement": ["nan"]})


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
    """HTML: the strip shaded by how far each block moved, with the number under each stage."""
    bars = block_strip.by_stage(moved, lambda stage: "".join(map(_bar, stage)))
    sentence, names = movement_sentence(moved), block_strip.stage_names(moved, _stage_movement)
    return block_strip.figure(sentence, escape(sentence), f"<div class='r'>{bars}</div>{names}")


def movement_legend(moved: Sequence[BlockMovement]) -> str:
    """What the shades, the hatching and the marks mean; only those that occur."""
    shades = "".join(
        f"<i class='b moved' style='--much:{_shade(share)}%;margin-right:1px'></i>" for share in (1e-4, 1e-2, 1.0)
    )
    entries = {state: f"<i class='b{_class(state)}'>{_MARKS.get(state, '')}</i>{_SAYS[state]}" for state in _SAYS}
    entries["moved"] = f"{shades} moved: 0.01 %, 1 %, 100 %"
    states = {block.state for block in moved}
    return block_strip.legend_of(*(entry for state, entry in entries.items() if state in states))


def movement_sentence(moved: Sequence[BlockMovement]) -> str:
    """`fc moved most, by 7.3 % of what it was; then layer4.1, by 0.9 %. 8 of 10 blocks stayed frozen.`"""
    far = sorted((-block.movement, block.name) for block in moved if block.state != "frozen" and block.movement)
    most = [f"{name} moved most, by {amount_moved(-movement)} of what it was" for movement, name in far[:1]]
    most += [f"then {name}, by {amount_moved(-movement)}" for movement, name in far[1:2]]
    frozen, broken = (sum(block.state == state for block in moved) for state in ("frozen", "broken"))
    sentences = [f"{'; '.join(most) or 'No block moved'}."]
    sentences += [f"{frozen} of {text.count(len(moved), 'block')} stayed frozen."] if frozen else []
    sentences += [f"{text.count(broken, 'block')} should have been frozen and moved."] if broken else []
    return " ".join(sentences)


def amount_moved(movement: float | None) -> str:
    """`0.031 %`, `7.3 %`, `41 %`, `12 times`; "from zero" where a tensor started at zero."""
    if movement is None or not math.isfinite(movement):
        return "not measured"
    if movement > FROM_ZERO or movement == NEW:
        return "from zero"
    if movement >= 9.995:
        return f"{movement:.3g} times"
    if movement >= 0.0995:
        return f"{100 * movement:.0f} %"
    return "under 0.001 %" if 0 < movement < 1e-5 else f"{100 * movement:.2g} %"


def tensor_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every tensor for people, what went wrong first."""
    rows = table.sort_values("verdict", key=lambda v: v.map({"broken": 0, "idle": 1}).fillna(2), kind="stable")
    moved = rows["movement"].map(amount_moved).where(rows["verdict"] != "frozen", "–")
    names = {"tensor": "Tensor", "moved": "Moved by", "verdict": "Outcome", "block": "Block", "values": "Values"}
    rows = rows.assign(moved=moved, verdict=rows["verdict"].replace(_VERDICTS))
    return rows[list(names)].rename(columns=names)


def _summary(run: Run) -> None:
    kept, firsts = run.summary.best_epoch if run.summary else 0, first_epochs(run.started) if run.started else {}
    late = frozenset(name for name, first in firsts.items() if kept and first > kept)
    moved = block_movements(audit_table(_path(run)), late)
    states = {block.state for block in moved}
    sentence = text.md(run.summary.audit if run.summary else "")
    if "broken" in states:
        st.error(sentence or "Something frozen moved.", icon=":material/gpp_bad:")
    elif "idle" in states:
        st.warning(sentence or "Something that could train stood still.", icon=":material/pause_circle:")
    else:
        st.success(sentence or "Everything frozen is byte for byte what it was.", icon=":material/verified:")
    if waiting := [block.name for block in moved if block.state == "waiting"]:
        names = text.md(text.listing(waiting, 3))
        st.caption(f"Epoch {kept}, the best, is kept; {names} had not started to train by then.")
    st.html(movement_strip(moved))
    st.html(movement_legend(moved))


def _tensors(run: Run) -> None:
    table = audit_table(_path(run))
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
    rows = rows[rows["may_move"] & (rows["movement"] <= FROM_ZERO) & (rows["movement"] != NEW)]  # nan goes too
    weights = rows[~rows["tensor"].str.endswith(_STATISTICS)]
    return _root_mean_square(*(rows if weights.empty else weights)[["values", "movement"]].to_numpy().T)


def _root_mean_square(values: Sequence[float], movements: Sequence[float]) -> float | None:
    """Of movements, each counted as often as its tensor or block has values."""
    return math.sqrt(np.average(np.square(movements), weights=values)) if sum(values) else None


def _bar(block: BlockMovement) -> str:
    amount, shade = "", ""
    if block.state == "moved":
        amount = f", by {amount_moved(block.movement)} of what it was"
        shade = f" style='--much:{_shade(block.movement or 0.0)}%'"
    title = escape(f"{block.name}: {_SAYS[block.state]}{amount}")
    return f"<i class='b{_class(block.state)}'{shade} title='{title}'>{_MARKS.get(block.state, '')}</i>"


def _class(state: str) -> str:
    return {"frozen": "", "moved": " moved", "waiting": " waiting"}.get(state, f" said {state}")


def _shade(movement: float) -> int:
    """Percent of the accent: a step for every factor of ten, from 0.01 % of movement to 100 %."""
    return round(15 + 85 * (math.log10(min(max(movement, 1e-4), 1)) + 4) / 4)


def _stage_movement(blocks: Sequence[BlockMovement]) -> str:
    """The root mean square of a stage, or what is worth more to know of it."""
    states = {block.state for block in blocks}
    if "broken" in states or "idle" in states:
        return "✗ moved" if "broken" in states else "! still"
    moved = [block for block in blocks if block.state == "moved" and block.movement is not None]
    if not moved:
        return "later" if "waiting" in states else "frozen"
    return amount_moved(_root_mean_square([block.values for block in moved], [block.movement or 0 for block in moved]))


def _path(run: Run) -> Path:
    return workspace().run(run.id) / "audit.csv"
