"""Config: a RunConfig parsed, written as JSON and as a command line, and compared with others.

Not here: its fields (runconfig), whether it fits its strategy (training.freezing).
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from functools import cache

from engine.errors import ConfigError
from engine.installation import COMMAND
from engine.options import Option, Value, options_of
from engine.record_files import decode, encode
from engine.runconfig import RunConfig

_OWN_WORDS = ("dataset", "backbone", "strategy", "weights", "epochs", "seed")
"""What `python -m engine train` takes as an option of that name; everything else follows `--set`."""
_KINDS = {int: "a whole number", float: "a number", str: "text"}


@cache
def options() -> tuple[Option, ...]:
    """Every field of RunConfig that carries metadata, in form order."""
    return options_of(RunConfig)


def option_named(name: str) -> Option:
    """ConfigError lists the options there are when `name` is none of them."""
    by_name = {option.name: option for option in options()}
    if name not in by_name:
        raise ConfigError(f"There is no option {name!r}. Known options: {', '.join(sorted(by_name))}.")
    return by_name[name]


def parse_settings(settings: Mapping[str, str]) -> dict[str, Value]:
    """`{"epochs": "3"}` as typed values; ConfigError names an unknown key or a value of the wrong kind."""
    return {name: _parsed(option_named(name), text) for name, text in settings.items()}


def to_json(config: RunConfig) -> str:
    return encode(config, indent=2)


def from_json(text: str) -> RunConfig:
    """The config in `text`; options this version does not know are refused by name, missing ones take defaults."""
    what = "This run configuration"
    values = decode(text, dict[str, Value], what=what, error=ConfigError)
    if unknown := values.keys() - {field.name for field in dataclasses.fields(RunConfig)}:
        raise ConfigError(f"{what} has options that this version does not know: {', '.join(sorted(unknown))}.")
    return decode(text, RunConfig, what=what, error=ConfigError)


def differences(configs: Sequence[RunConfig]) -> dict[str, list[Value]]:
    """Option name -> value per config, for the options in which the configs differ."""
    names = [field.name for field in dataclasses.fields(RunConfig)]
    columns = {name: [getattr(config, name) for config in configs] for name in names}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def command_line(config: RunConfig) -> str:
    """The command that repeats this run, quoted for a POSIX shell."""
    words = [f"{COMMAND} train"]
    for field in dataclasses.fields(config):
        name, value = field.name, getattr(config, field.name)
        if name in _OWN_WORDS[:3] or value != field.default:
            own = name in _OWN_WORDS
            words.append(f"--{name} {shlex.quote(str(value))}" if own else f"--set {shlex.quote(f'{name}={value}')}")
    return " ".join(words)


def _parsed(option: Option, text: str) -> Value:
    try:
        return option.kind(text)
    except ValueError:
        kind = _KINDS[option.kind]
        raise ConfigError(f"{option.label} ({option.name}) takes {kind}, not {text!r}.") from None
