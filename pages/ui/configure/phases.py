"""Phases: the phases of every ticked strategy in a small table, to be changed as one likes.

A table that was changed goes into RunConfig.phases of its strategy; one that was not leaves the strategy its own.
Not here: the notation (training.patterns) and what a phase does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import streamlit as st

from engine.errors import ConfigError
from engine.models.outline import Outline
from engine.options import Value
from engine.runconfig import RunConfig
from engine.training.budget import budgeted
from engine.training.freezing import plan_for
from engine.training.patterns import matches, write_phases
from engine.training.plan import FreezePlan, Phase
from pages.ui import strategies, text
from pages.ui.resources import workspace
from pages.ui.strategies import Chosen
from pages.ui.widgets.section import section

OWN = "own_phases"
"""In the session: (backbone, strategy) -> rows that a person changed; they outlive a visit to another page."""
_TYPES = {"names": "object", "epochs": "Int64", "rate": "Float64", "decay": "Float64", "body": "Float64"}
"""Columns of the table; each can hold an empty cell."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A phase as the table holds it; None is an empty cell."""

    names: str | None
    epochs: int | None
    rate: float | None
    decay: float | None
    body: float | None = None
    """The rate of the body, before the decay; an empty cell is that of the head."""


def edit(chosen: Sequence[Chosen], shared: RunConfig, outline: Outline) -> list[Chosen]:
    """Draw the tables, folded; `chosen` with the phases that were changed, judged anew."""
    if all(one.problem for one in chosen):
        return list(chosen)
    label = "Phases: what trains when, and at which rate"
    with section(label, icon=":material/view_timeline:", key="fold_phases") as seen:
        if seen:
            st.caption(
                "Names are blocks (`layer4.1`), stages (`layer4`) or parameters (`*.bias`), separated by commas; the "
                "head always trains. The decay is multiplied into the rate of the body, which is that of all other "
                "blocks, once for every block from the head down. "
                "Rows can be added and deleted."
            )
            for one in chosen:
                if not one.problem:
                    _edit(one, outline)
    return [_with_own(one, shared, outline) for one in chosen]  # what was changed counts although it is folded away


def suggested(config: RunConfig, outline: Outline) -> list[Row]:
    """The strategy's own phases, as rows of the table."""
    # the BatchNorm option takes norms out again by itself, and whoever writes phases wants steps
    wanted = replace(config, phases="", batch_norm="batch")
    plan = plan_for(outline, budgeted(wanted, workspace()), stepped=True)
    return [
        Row(
            names=patterns_of(outline, phase),
            epochs=phase.epochs,
            rate=float(f"{phase.lr:.3g}"),
            decay=float(f"{phase.lr_decay:.3g}"),
            body=float(f"{phase.lr * phase.body_share:.3g}"),
        )
        for phase in plan.phases
        if phase.how == "steps"
    ]


def settings_of(strategy: str, rows: Sequence[Row]) -> dict[str, Value]:
    """The options that give `strategy` these phases. ConfigError when a cell is empty."""
    title, written = strategies.title(strategy), []
    for number, row in enumerate(rows, start=1):
        if not row.names or row.epochs is None or row.rate is None or row.decay is None:
            raise ConfigError(f"Phase {number} of {title} has an empty cell: fill it, or delete the row.")
        written.append((row.names, row.epochs, row.rate, row.decay, row.rate if row.body is None else row.body))
    if not written:
        raise ConfigError(f"{title} has no phase left: add one, or go back to its own phases.")
    return {"phases": write_phases(written), "epochs": sum(epochs for _, epochs, *_ in written)}


def patterns_of(outline: Outline, phase: Phase) -> str:
    """The shortest list of stages, blocks and patterns that selects exactly what `phase` trains."""
    left = set(phase.parameters)
    if left == {name for block in outline.blocks for name in block.names}:
        return "all"
    wholes = [block.stage for block in outline.blocks] + [block.name for block in outline.blocks]
    endings = [f"*.{'.'.join(name.split('.')[-length:])}" for length in (1, 2, 3) for name in phase.parameters]
    places: dict[str, int] = {}
    for pattern in dict.fromkeys([*wholes, *endings, *phase.parameters]):
        selects = set(matches(outline, pattern)[pattern]) if left else set()
        if selects & left and selects <= phase.names:
            places[pattern] = min(map(phase.parameters.index, selects))
            left -= selects
    return ", ".join(sorted(places, key=places.__getitem__))  # forward order, the head last


def _edit(one: Chosen, outline: Outline) -> None:
    """The table of one strategy. What it is drawn from stays as it is while it stands: its changes count from there."""
    own: dict[tuple[str, str], list[Row]] = st.session_state.setdefault(OWN, {})
    mine = (one.config.backbone, one.config.strategy)
    own_rows, suggestion = own.get(mine), suggested(one.config, outline)
    turn = st.session_state.get(f"{OWN}_turn_{one.config.strategy}", 0)
    key = f"phases_{one.config.strategy}_{one.config.backbone}_{turn}"
    if own_rows is None:  # an untouched table follows the options above; every suggestion is a table of its own
        key += f"_{hashlib.sha256(repr(suggestion).encode()).hexdigest()[:8]}"
        st.session_state.pop(f"{OWN}_key_{mine}", None)
    elif f"{OWN}_key_{mine}" in st.session_state:
        key = st.session_state[f"{OWN}_key_{mine}"]
    start = suggestion if own_rows is None else own_rows
    if key in st.session_state:
        start = st.session_state[f"{key}_start"]
    st.session_state[f"{key}_start"] = start
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{text.md(one.title)}**")
        if own_rows is not None:
            st.badge("phases of your own", icon=":material/edit:", color="blue")
            st.caption("They decide epochs and rates; the fields above do not.")
    rows = _table(start, key)
    if own_rows is not None:
        label, button = "Back to its own phases", f"phases_reset_{one.config.strategy}"
        st.button(label, key=button, icon=":material/restart_alt:", on_click=_reset, args=(mine,))
    if rows != start or own_rows is not None:
        own[mine] = rows
        st.session_state[f"{OWN}_key_{mine}"] = key


def _with_own(one: Chosen, shared: RunConfig, outline: Outline) -> Chosen:
    """`one` with the phases that a person gave it, judged anew; as it is where nobody did."""
    rows = st.session_state.get(OWN, {}).get((one.config.backbone, one.config.strategy))
    if rows is None or one.problem:
        return one
    try:
        settings = {**one.arm.settings, **settings_of(one.arm.strategy, rows)}
    except ConfigError as error:
        return replace(one, plan=FreezePlan(phases=()), problem=str(error))
    return strategies.judge(shared, replace(one.arm, settings=settings), outline)


def _table(start: list[Row], key: str) -> list[Row]:
    number = partial(st.column_config.NumberColumn, required=True)
    rate = start[-1].rate or 1e-3 if start else 1e-3
    edited = st.data_editor(
        pd.DataFrame(start, columns=list(_TYPES)).astype(_TYPES),
        num_rows="dynamic",
        hide_index=True,
        key=key,
        column_config={
            "names": st.column_config.TextColumn("Names to train", required=True, default="head", width="medium"),
            "epochs": number("Epochs", default=1, min_value=1, max_value=1000, step=1),
            "rate": number("Learning rate", default=rate, min_value=0.0, max_value=10.0, format="%g"),
            "decay": number("Decay", default=1.0, min_value=0.01, max_value=1.0, format="%g"),
            "body": st.column_config.NumberColumn("Rate of the body", min_value=0.0, max_value=10.0, format="%g"),
        },
        alt="Phases of the strategy",
    )
    cells = edited.astype(object).where(edited.notna(), None)
    return [Row(**{name: row[name] for name in _TYPES}) for row in cells.to_dict("records")]


def _reset(mine: tuple[str, str]) -> None:
    st.session_state.get(OWN, {}).pop(mine, None)
    st.session_state.pop(f"{OWN}_key_{mine}", None)
    turn = f"{OWN}_turn_{mine[1]}"
    st.session_state[turn] = st.session_state.get(turn, 0) + 1
