"""Forms: one widget per option of RunConfig, made from what the option says about itself.

Not here: which options a page asks for elsewhere (weights, phases), and whether the values go together.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from engine.config import options
from engine.options import Option, Value
from engine.runconfig import SECTIONS
from engine.training.strategies import STRATEGIES
from pages.ui import text

ELSEWHERE = frozenset({"weights", "phases", *(strategy.asks for strategy in STRATEGIES.values() if strategy.asks)})
"""Options that belong to a choice made further up the page."""
AUTOMATIC = {option.name: option.zero for option in options() if option.zero}
"""Options whose 0 means "take what fits": an empty field says so better than a zero."""
Choices = Mapping[str, Sequence[str]]
"""What an option that takes any text can be here, by name: the devices of this machine."""


def basic(unread: Collection[str] = ()) -> dict[str, Value]:
    """The options everybody sets, side by side; name -> value. Those that nothing reads are not drawn and keep what was
    typed earlier."""
    return _values(_members(basic=True), {}, unread)


def folded(choices: Choices, unread: Collection[str] = ()) -> dict[str, Value]:
    """All other options, by section."""
    values: dict[str, Value] = {}
    for section, title in SECTIONS.items():
        if members := [option for option in _members(basic=False) if option.section == section]:
            st.markdown(f"**{title}**")
            values |= _values(members, choices, unread)
    return values


def kept(choices: Choices) -> dict[str, Value]:
    """What `folded` would answer, without drawing it: what was typed earlier in this session, else the defaults."""
    return {option.name: _kept(option, choices) for option in _members(basic=False)}


def changed(values: Mapping[str, Value]) -> int:
    """How many of `values` differ from their defaults."""
    return sum(values.get(option.name, option.default) != option.default for option in options())


def reset() -> None:
    """Forget what was typed; every option shows its default again."""
    for option in options():
        st.session_state.pop(key_of(option.name), None)


def key_of(name: str) -> str:
    return f"option_{name}"


def widget(option: Option, choices: Sequence[str] = (), *, key: str = "") -> Value:
    """The widget for one option and its value; bounds are checked again by validate()."""
    key, help, offered = key or key_of(option.name), text.md(option.help), option.choices or choices
    default = str(option.default)
    if offered:
        start = offered.index(default) if default in offered else 0
        picked = st.selectbox(option.label, offered, index=start, key=key, help=help, persist_state="session")
        return picked or default
    if option.kind is str:
        typed = st.text_input(
            option.label,
            default,
            live=True,
            key=key,
            help=help,
            placeholder=option.example or None,
            persist_state="session",
        )
        return typed or ""
    return _number(option, key)


def _number(option: Option, key: str) -> Value:
    kind = option.kind
    number = st.number_input(
        option.label,
        min_value=None if option.low is None else kind(option.low),
        max_value=None if option.high is None else kind(option.high),
        value=None if option.zero else kind(option.default),
        step=kind(_step(option)),
        format="%d" if kind is int else "%g",
        placeholder=option.zero or None,
        key=key,
        help=text.md(option.help),
        persist_state="session",
    )
    return option.default if number is None else kind(number)


def _members(*, basic: bool) -> list[Option]:
    return [option for option in options() if option.basic == basic and option.name not in ELSEWHERE]


def _values(members: Sequence[Option], choices: Choices, unread: Collection[str]) -> dict[str, Value]:
    """Of `members` in their order: asked for, or kept where nothing reads them."""
    asked = _grid([option for option in members if option.name not in unread], choices)
    return {option.name: asked.get(option.name, _kept(option, choices)) for option in members}


def _kept(option: Option, choices: Choices) -> Value:
    value, offered = st.session_state.get(key_of(option.name)), option.choices or choices.get(option.name, ())
    given = value is not None and (not offered or value in offered)
    return option.kind(value) if given else option.default


def _grid(members: Sequence[Option], choices: Choices) -> dict[str, Value]:
    values: dict[str, Value] = {}
    with st.grid(min_column_width=170):
        for option in members:
            with st.container():
                values[option.name] = widget(option, choices.get(option.name, ()))
    return values


def _step(option: Option) -> float:
    """One for whole numbers; for shares and rates the leading digit of the default."""
    if option.kind is int:
        return 1
    typical = float(option.default) or (1e-4 if option.zero and option.high != 1 else 0.05)
    return min(0.05, 10.0 ** math.floor(math.log10(typical)))
