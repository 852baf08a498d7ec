"""Option: what a form, a parser and a validator need to know about one field, carried by the field itself.

Not here: which options there are (runconfig), which of them are asked for where (config, pages).
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar, Unpack

Value = str | int | float
V = TypeVar("V", str, int, float)


@dataclass(frozen=True, kw_only=True)
class Option:
    """The documentation, bounds and default of one field."""

    name: str
    kind: type
    default: Value
    label: str
    help: str
    section: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    basic: bool = False
    """Whether everybody sets it; the others are folded away."""
    zero: str = ""
    """What 0 stands for, where it is no number, such as 'automatic'."""
    example: str = ""
    """Of a text."""


class Details(TypedDict, total=False):
    """As in Option; a section lasts until the next one begins."""

    section: str
    low: float
    high: float
    choices: tuple[str, ...]
    basic: bool
    zero: str
    example: str


def option(default: V, label: str, help: str, **details: Unpack[Details]) -> V:
    """A dataclass field that carries its own documentation and bounds."""
    metadata = {"kind": type(default), "default": default, "label": label, "help": help, **details}
    return field(default=default, metadata=metadata)


def options_of(kind: type) -> tuple[Option, ...]:
    """Every field of a dataclass that was made by `option`, in order."""
    options, section = [], ""
    for entry in dataclasses.fields(kind):
        if entry.metadata:
            section = entry.metadata.get("section", section)
            options.append(Option(name=entry.name, **{**entry.metadata, "section": section}))
    return tuple(options)


def problem_with(option: Option, value: Value) -> str:
    """A sentence when `value` is of the wrong kind or out of bounds; "" when it is fine."""
    kind, what = option.kind, f"{option.label} ({option.name})"
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
        return f"{what} must be {kind.__name__}, not {value!r}."
    if option.choices and value not in option.choices:
        return f"{what} is {value!r}; choose one of {', '.join(option.choices)}."
    if isinstance(value, str) or option.low is None or option.high is None:
        return ""
    if not math.isfinite(value) or not option.low <= value <= option.high:
        return f"{what} is {value}; it must lie between {option.low:g} and {option.high:g}."
    return ""
