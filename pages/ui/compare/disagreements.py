"""Disagreements: on how many images any two strategies disagree, and the images of one pair.

Of several seeds, what most say counts. Not here: one image in large (two_answers), what is chance (the verdict).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from engine.evaluation.disagreements import disagreement_counts
from pages.ui import addresses, text
from pages.ui.compare.evidence import Evidence, waits
from pages.ui.compare.two_answers import two_answers_dialog
from pages.ui.figures.matrix import Cell, matrix
from pages.ui.widgets.gallery import Card, gallery, page_of

PAGE_SIZE = 60
KINDS = {"first": "Only A is right", "second": "Only B is right", "neither": "Both wrong, differently"}


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Two strategies, which kind of disagreement, and the true class; None for every class."""

    first: str
    second: str
    kind: str
    truth: str | None = None


def pick(evidence: Evidence, wanted: Disagreement) -> np.ndarray:
    """The places, among the images of `evidence`, that show this disagreement: those the two are surest of first."""
    first, second = evidence.arms[wanted.first].votes, evidence.arms[wanted.second].votes
    keep = {
        "first": first.right & ~second.right,
        "second": second.right & ~first.right,
        "neither": ~first.right & ~second.right & (first.guesses != second.guesses),
    }[wanted.kind]
    if wanted.truth is not None:
        keep = keep & (evidence.labels == evidence.classes.index(wanted.truth))
    places = np.flatnonzero(keep)
    return np.asarray(places[np.argsort(-(first.confidence + second.confidence)[places], kind="stable")])


def disagreement_matrix(evidence: Evidence, theme: str = "") -> go.Figure:
    """Images that the row gets right and the column wrong; customdata of a cell is [row, column]."""
    labels = list(evidence.arms)
    counts = disagreement_counts([evidence.arms[label].votes.right for label in labels])
    names = [text.plotly(name) for name in text.distinct(labels, 26)]
    side, most = max(14, min(56, 460 // len(labels))), max(int(counts.max()), 1)

    def cell(right: int, wrong: int) -> Cell:
        if right == wrong:
            return Cell(share=0, number="–")
        images = text.count(count := int(counts[right, wrong]), "image")
        hover = f"{images}<br><b>{names[right]}</b> right<br><b>{names[wrong]}</b> wrong"
        return Cell(share=count / most, number=str(count), hover=hover)

    # Columns go by number: names would need more room than a telephone has.
    numbers = [str(number) for number in range(1, len(labels) + 1)]
    figure = matrix(len(labels), cell, side=side, theme=theme)
    figure.update_xaxes(title="gets wrong", ticktext=numbers)
    rows = [f"{name}  {number}" for name, number in zip(names, numbers, strict=True)]
    figure.update_yaxes(title="gets right", ticktext=rows)
    return figure.update_layout(height=max(180, 80 + side * len(labels)))


def disagreement_gallery(evidence: Evidence, *, pictures: bool = True) -> None:
    """The matrix, the pair chosen by it or by the boxes, and its gallery while there are `pictures`."""
    if len(evidence.arms) < 2:
        st.caption(waits(evidence, "two strategies have finished"))
        return
    labels = list(evidence.arms)
    _start(evidence, labels)
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.plotly_chart(
            disagreement_matrix(evidence),
            key="flips",
            on_select=partial(_show_cell, labels),
            selection_mode="points",
            config={"displayModeBar": False},
            alt="How many images the strategy of the row gets right and that of the column wrong; the boxes choose a "
            "pair, too.",
        )
        st.caption("Click a cell to see its images, or choose two strategies.")
    with right:
        wanted = _boxes(evidence, labels)
    if wanted is None:
        st.info("Choose two different strategies.", icon=":material/compare_arrows:")
        return
    places = pick(evidence, wanted)
    several = any(arm.votes.seeds > 1 for arm in evidence.arms.values())
    note = " Several seeds of a strategy count as what most of them say." if several else ""
    st.caption(f"{text.count(len(places), 'image')} of {len(evidence.images):,}.{note}")
    if not len(places):
        st.info("No image fits. The two agree here.", icon=":material/filter_alt_off:")
        return
    if pictures:
        _pictures(evidence, wanted, places)


def _pictures(evidence: Evidence, wanted: Disagreement, places: np.ndarray) -> None:
    cards = [card(evidence, wanted, place) for place in places[page_of(len(places), PAGE_SIZE, key="page_flips")]]
    picked = gallery(cards, label="Images they disagree on", key="gallery_flips", side=140)
    if picked is not None:
        pair, order = (wanted.first, wanted.second), places.tolist()
        two_answers_dialog(evidence, pair, places=order, position=order.index(int(picked)))


def card(evidence: Evidence, wanted: Disagreement, place: int) -> Card:
    """One image with what the two say of it; the id is its place among the images of `evidence`."""
    pair = (wanted.first, wanted.second)
    votes = [evidence.arms[label].votes for label in pair]
    truth = evidence.classes[evidence.labels[place]]
    rights = [vote.right[place] for vote in votes]
    guesses = [evidence.classes[vote.guesses[place]] for vote in votes]
    first, second = (f"{'✓' if right else '✗'} {guess}" for right, guess in zip(rights, guesses, strict=True))
    words = " and ".join(f"{label} says {guess}" for label, guess in zip(pair, guesses, strict=True))
    return Card(
        id=str(place),
        src=addresses.thumbnail(evidence.comparison.dataset, int(evidence.images[place])),
        title=f"A {first}",
        note=f"B {second}" + ("" if any(rights) else f" · is {truth}"),
        tone="bad" if wanted.kind == "neither" else "plain",
        alt=f"{evidence.names[place]}: {words}; it is {truth}",
    )


def _boxes(evidence: Evidence, labels: Sequence[str]) -> Disagreement | None:
    """The keyboard's way to a cell, and what a click on one sets."""
    names = dict(zip(labels, text.distinct(labels), strict=True))
    first, second = (
        st.selectbox(f"Strategy {letter}", labels, format_func=names.__getitem__, key=key)
        for letter, key in (("A", "flip_first"), ("B", "flip_second"))
    )
    if first == second or first is None or second is None:
        return None
    counts = {kind: len(pick(evidence, Disagreement(first=first, second=second, kind=kind))) for kind in KINDS}
    kinds = {kind: f"{KINDS[kind]}: {count}" for kind, count in counts.items()}
    kind = st.radio("Images", list(kinds), format_func=kinds.__getitem__, key="flip_kind") or "first"
    places = pick(evidence, Disagreement(first=first, second=second, kind=kind))
    per_class = np.bincount(evidence.labels[places], minlength=len(evidence.classes))
    shown = {
        name: f"{text.plain(name)}: {count}" for name, count in zip(evidence.classes, per_class, strict=True) if count
    }
    if st.session_state.get("flip_truth") not in shown:
        st.session_state["flip_truth"] = None
    truth = st.selectbox(
        "True class", list(shown), index=None, placeholder="All", format_func=shown.__getitem__, key="flip_truth"
    )
    return Disagreement(first=first, second=second, kind=kind, truth=truth)


def _start(evidence: Evidence, labels: Sequence[str]) -> None:
    """At first: the chosen strategy against the one that disagrees with it most. Never a strategy that is gone."""
    state, verdict = st.session_state, evidence.judgement.verdict
    if state.get("flip_first") not in labels or state.get("flip_second") not in labels:
        first = verdict.chosen if verdict and verdict.chosen in labels else labels[0]
        right = evidence.arms[first].votes.right
        state["flip_first"] = first
        state["flip_second"] = max(
            (label for label in labels if label != first),
            key=lambda label: (right != evidence.arms[label].votes.right).sum(),
        )
    state.setdefault("flip_kind", "first")


def _show_cell(labels: Sequence[str]) -> None:
    """A cell was clicked: its row is right, its column wrong. Clicked again, plotly takes the selection away: it means
    the same pair, whatever the boxes have chosen since."""
    state = st.session_state
    if points := state["flips"]["selection"]["points"]:
        row, column = points[0]["customdata"]
        state["flips_cell"] = (labels[row], labels[column])
    first, second = state.get("flips_cell", ("", ""))
    if first in labels and second in labels:
        state.update(flip_first=first, flip_second=second, flip_kind="first", flip_truth=None)
