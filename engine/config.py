"""Config: a RunConfig checked, parsed, written as JSON and as a command line.

Not here: its fields (runconfig), torch, devices, what a strategy does.
"""

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import cast

from engine.errors import ConfigError
from engine.options import Option, Value, options_of, problem_with
from engine.runconfig import SECTIONS, RunConfig

__all__ = [
    "SECTIONS",
    "Option",
    "RunConfig",
    "Value",
    "command_line",
    "differences",
    "from_json",
    "options",
    "parse_settings",
    "start_problem",
    "to_json",
    "validate",
]


def options() -> tuple[Option, ...]:
    """Every field of RunConfig that carries metadata, in form order."""
    return options_of(RunConfig)


def parse_settings(settings: Mapping[str, str]) -> dict[str, Value]:
    """`{"epochs": "3"}` as typed values; ConfigError names an unknown key or a value of the wrong kind."""
    known = {about.name: about for about in options()}
    parsed: dict[str, Value] = {}
    for name, text in settings.items():
        if name not in known:
            raise ConfigError(f"There is no option {name!r}. Known options: {', '.join(sorted(known))}.")
        kind = known[name].kind
        try:
            parsed[name] = cast(Value, kind(text))
        except ValueError:
            word = {int: "a whole number", float: "a number"}.get(kind, "text")
            raise ConfigError(f"{known[name].label} ({name}) takes {word}, not {text!r}.") from None
    return parsed


def start_problem(config: RunConfig) -> str:
    """What is wrong with where the strategy is to start, in a sentence; "" when nothing is."""
    if config.strategy == "from_run" and not config.weights.startswith(("run:", "file:")):
        return (
            "The strategy from_run continues a checkpoint: choose an earlier run or a weights file of yours as "
            "its weights."
        )
    return ""


def validate(config: RunConfig) -> RunConfig:
    """`config` itself when every option is within its bounds and fits the others; ConfigError with every problem
    otherwise."""
    problems = [problem for about in options() if (problem := problem_with(about, getattr(config, about.name)))]
    if config.strategy == "named" and not config.patterns.strip():
        problems.append("The strategy named needs names to train (patterns), such as 'layer4*'.")
    if problem := start_problem(config):
        problems.append(problem)
    if problems:
        raise ConfigError(" ".join(problems))
    return config


def to_json(config: RunConfig) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2, ensure_ascii=False)


def from_json(text: str) -> RunConfig:
    """The config in `text`; options this version does not know are refused by name, missing ones take defaults."""
    try:
        values = json.loads(text)
        return RunConfig(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"This run configuration cannot be read: {error}.") from error


def differences(configs: list[RunConfig]) -> dict[str, list[Value]]:
    """Option name -> value per config, for the options in which the configs differ."""
    rows = [dataclasses.asdict(config) for config in configs]
    return (
        {name: [row[name] for row in rows] for name in rows[0] if len({row[name] for row in rows}) > 1} if rows else {}
    )


def command_line(config: RunConfig) -> str:
    """The exact `python -m engine train` command that repeats this run."""
    words = ["python -m engine train"]
    words += [f"--{name} {shlex.quote(getattr(config, name))}" for name in ("dataset", "backbone", "strategy")]
    for about in options():
        value = getattr(config, about.name)
        if value != about.default:
            words.append(_argument(about.name, value))
    return " ".join(words)


def _argument(name: str, value: Value) -> str:
    """Quoted for a POSIX shell."""
    return (
        f"--{name} {shlex.quote(str(value))}"
        if name in ("weights", "epochs", "seed")
        else f"--set {shlex.quote(f'{name}={value}')}"
    )
