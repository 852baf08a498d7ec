"""Forms: one widget per option of RunConfig, made from what the option says about itself.

Not here: which options a page asks for elsewhere (weights, names to train), and whether the values go together.
"""

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from engine.config import options
from engine.options import Option, Value
from engine.runconfig import SECTIONS
from pages.ui import text

ELSEWHERE = frozenset({"weights", "last_n", "patterns", "phases"})
"""Options that belong to a choice made further up the page."""

AUTOMATIC = {"lr": "automatic", "image_size": "automatic", "patience": "off"}
"""Options whose 0 means "take what fits": an empty field says so better than a zero."""
_TITLES = {
    "data": "Data",
    "strategy": "Strategy",
    "optimisation": "Optimisation",
    "augmentation": "Images",
    "control": "Control",
}


def basic(choices: Mapping[str, Sequence[str]] | None = None) -> dict[str, Value]:
    """The options everybody sets, side by side; name -> value."""
    return _grid([about for about in options() if about.basic and about.name not in ELSEWHERE], choices or {})


def folded(choices: Mapping[str, Sequence[str]] | None = None) -> dict[str, Value]:
    """All other options, by section. `choices`: what a free text option can be here (the devices of this machine)."""
    values: dict[str, Value] = {}
    rest = _rest()
    for section in SECTIONS:
        members = [about for about in rest if about.section == section]
        if members:
            st.markdown(f"**{_TITLES.get(section, section.capitalize())}**")
            values |= _grid(members, choices or {})
    return values


def kept(choices: Mapping[str, Sequence[str]] | None = None) -> dict[str, Value]:
    """What `folded` would answer, without drawing it: what was typed earlier in this session, otherwise the
    defaults."""
    return {about.name: _typed(about, (choices or {}).get(about.name, ())) for about in _rest()}


def changed(values: Mapping[str, Value]) -> int:
    """How many of `values` differ from their defaults."""
    defaults = {about.name: about.default for about in options()}
    return sum(1 for name, value in values.items() if value != defaults[name])


def reset() -> None:
    """Forget what was typed; every option shows its default again."""
    for about in options():
        st.session_state.pop(key_of(about.name), None)


def key_of(name: str) -> str:
    return f"option_{name}"


def widget(about: Option, choices: Sequence[str] = ()) -> Value:
    """The widget for one option and its value; bounds are checked again by validate()."""
    offered = list(about.choices or choices)
    if offered:
        start = offered.index(str(about.default)) if about.default in offered else 0
        picked = st.selectbox(
            about.label, offered, index=start, key=key_of(about.name), help=text.md(about.help), persist_state="session"
        )
        return picked or str(about.default)
    if about.kind is str:
        typed = st.text_input(
            about.label,
            str(about.default),
            live=True,
            key=key_of(about.name),
            help=text.md(about.help),
            persist_state="session",
        )
        return typed or ""
    return _number(about)


def _rest() -> list[Option]:
    return [about for about in options() if not about.basic and about.name not in ELSEWHERE]


def _typed(about: Option, choices: Sequence[str]) -> Value:
    """What the widget of an option holds, whether or not it is on the page."""
    value, offered = st.session_state.get(key_of(about.name)), about.choices or choices
    if value is None or (offered and value not in offered):
        return about.default
    return about.kind(value)


def _grid(members: Sequence[Option], choices: Mapping[str, Sequence[str]]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    with st.grid(min_column_width=170):
        for about in members:
            with st.container():
                values[about.name] = widget(about, choices.get(about.name, ()))
    return values


def _number(about: Option) -> Value:
    kind = about.kind
    automatic = AUTOMATIC.get(about.name)
    value = st.number_input(
        about.label,
        min_value=None if about.low is None else kind(about.low),
        max_value=None if about.high is None else kind(about.high),
        value=None if automatic else kind(about.default),
        step=kind(_step(about)),
        format="%d" if kind is int else "%g",
        placeholder=automatic,
        key=key_of(about.name),
        help=text.md(about.help),
        persist_state="session",
    )
    return about.default if value is None else kind(value)


def _step(about: Option) -> float:
    """One for whole numbers; for shares and rates the leading digit of the default."""
    if about.kind is int:
        return 1
    typical = float(about.default) or (1e-4 if about.name == "lr" else 0.05)
    return min(0.05, 10.0 ** math.floor(math.log10(typical)))
