"""Option: what a form, a parser and a validator need to know about one field, carried by the field itself.

Not here: which options there are (config).
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, cast

Value = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Option:
    """The documentation, bounds and default of one field."""

    name: str
    kind: type
    default: Value
    help: str
    section: str
    label: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    basic: bool = False


def option(
    default: Value,
    help: str,
    *,
    section: str,
    label: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    basic: bool = False,
) -> Any:  # what dataclasses.field returns: any type of field
    """A dataclass field that carries its own documentation and bounds."""
    about = {"help": help, "section": section, "label": label, "low": low, "high": high}
    return field(default=default, metadata={**about, "choices": choices, "basic": basic})


def options_of(kind: type) -> tuple[Option, ...]:
    """Every field of a dataclass that was made by `option`, in order."""
    return tuple(
        Option(name=entry.name, kind=cast(type, entry.type), default=cast(Value, entry.default), **entry.metadata)
        for entry in dataclasses.fields(kind)
        if entry.metadata
    )


def problem_with(about: Option, value: Value) -> str | None:
    """A sentence when `value` is of the wrong kind or out of bounds; None when it is fine."""
    if not isinstance(value, (int, float) if about.kind is float else about.kind) or isinstance(value, bool):
        return f"{about.label} ({about.name}) must be {about.kind.__name__}, not {value!r}."
    if about.choices and value not in about.choices:
        return f"{about.label} ({about.name}) is {value!r}; choose one of {', '.join(about.choices)}."
    if isinstance(value, str):
        return None
    if (
        not math.isfinite(value)
        or (about.low is not None and value < about.low)
        or (about.high is not None and value > about.high)
    ):
        return f"{about.label} ({about.name}) is {value}; it must lie between {about.low:g} and {about.high:g}."
    return None
