"""RunConfig: everything that decides a run, each option said once.

The Configure page, the command line (`--set key=value`), `validate` and the docs derive from these fields. Not here:
torch, devices, what a strategy does, how a field carries its documentation (options).
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from engine.errors import ConfigError
from engine.options import Option, Value, option, options_of, problem_with

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
    "to_json",
    "validate",
]

SECTIONS = ("data", "strategy", "optimisation", "augmentation", "control")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The only input of a run. Equal configs on equal data give equal results on the same machine."""

    dataset: str
    backbone: str
    strategy: str = "linear_probe"
    weights: str = option(
        "default",
        "Where the backbone starts: 'default' (the best weights torchvision publishes), 'none' (random), the name "
        "of a torchvision weights entry, 'file:ID' (weights you brought) or 'run:ID' (an earlier run).",
        section="data",
        label="Weights",
    )
    last_n: int = option(
        2,
        "How many of the last blocks train, the head included, when the strategy is last_n.",
        section="strategy",
        label="Blocks to train",
        low=1,
        high=200,
    )
    patterns: str = option(
        "",
        "For the strategy named: block or parameter names with * and ?, separated by commas, such as "
        "'layer4*, head' or '*.bias'. The head always trains.",
        section="strategy",
        label="Names to train",
    )
    epochs: int = option(
        5, "How many times training sees every image.", section="optimisation", label="Epochs", low=1, high=1000, basic=True
    )
    batch_size: int = option(32, "Images per optimisation step.", section="optimisation", label="Batch size", low=1, high=4096, basic=True)
    optimizer: str = option(
        "adamw",
        "The rule that turns gradients into steps. AdamW is forgiving; SGD is the classic.",
        section="optimisation",
        label="Optimizer",
        choices=("adamw", "sgd", "adam"),
    )
    lr: float = option(
        0.0,
        "Peak learning rate of the head. 0 takes the strategy's own: 1e-3 while most layers are frozen, 1e-4 when all train.",
        section="optimisation",
        label="Learning rate",
        low=0.0,
        high=10.0,
        basic=True,
    )
    lr_decay: float = option(
        1.0,
        "Multiplied into the learning rate once for every block from the head down; 1 gives all blocks the same rate.",
        section="optimisation",
        label="Layer-wise rate decay",
        low=0.01,
        high=1.0,
    )
    momentum: float = option(0.9, "Momentum of SGD; the others ignore it.", section="optimisation", label="Momentum", low=0.0, high=0.999)
    weight_decay: float = option(
        1e-4,
        "Pulls weights towards zero; never applied to biases and norms.",
        section="optimisation",
        label="Weight decay",
        low=0.0,
        high=1.0,
    )
    schedule: str = option(
        "cosine",
        "How the learning rate changes: cosine falls smoothly to zero, step divides by ten twice, constant stays.",
        section="optimisation",
        label="Schedule",
        choices=("cosine", "step", "constant"),
    )
    warmup: float = option(
        0.1,
        "Share of the steps in which the learning rate climbs from zero to its peak.",
        section="optimisation",
        label="Warm-up share",
        low=0.0,
        high=0.9,
    )
    label_smoothing: float = option(
        0.0,
        "Keeps the model from being certain: this share of every target is spread over all classes.",
        section="optimisation",
        label="Label smoothing",
        low=0.0,
        high=0.9,
    )
    class_weights: str = option(
        "none",
        "'balanced' makes a mistake on a rare class cost more, in inverse proportion to its count.",
        section="optimisation",
        label="Class weights",
        choices=("none", "balanced"),
    )
    views: int = option(
        0,
        "Random crops and flips: 0 shows every image the same way each time, K takes turns between K fixed views, "
        "as many as there are epochs (or more) gives a new view every time.",
        section="augmentation",
        label="Augmented views",
        low=0,
        high=1000,
        basic=True,
    )
    preprocessing: str = option(
        "weights",
        "'weights' prepares images as the pretrained weights expect; 'half' resizes to a square and uses mean 0.5 and deviation 0.5.",
        section="augmentation",
        label="Preprocessing",
        choices=("weights", "half"),
    )
    image_size: int = option(
        0,
        "Side of the square the backbone sees, in pixels; 0 takes the size the weights were made for.",
        section="augmentation",
        label="Image size",
        low=0,
        high=1024,
    )
    seed: int = option(
        0,
        "Decides the new head, the order of images and dropout; the same seed gives the same run.",
        section="control",
        label="Seed",
        low=0,
        high=2**31 - 1,
        basic=True,
    )
    data_seed: int = option(
        0,
        "Decides the augmented views, so that runs with different seeds still see the same pictures.",
        section="control",
        label="View seed",
        low=0,
        high=2**31 - 1,
    )
    patience: int = option(
        0,
        "Stop when the validation score has not improved for this many epochs; 0 trains to the end.",
        section="control",
        label="Early stopping patience",
        low=0,
        high=1000,
    )
    select: str = option(
        "accuracy",
        "Which validation score decides the best epoch, whose weights are kept.",
        section="control",
        label="Best epoch by",
        choices=("accuracy", "loss"),
    )
    precision: str = option(
        "auto",
        "Number format of the computation; auto takes bf16 on a GPU that has it and fp32 on a CPU.",
        section="control",
        label="Precision",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    device: str = option(
        "auto",
        "'auto' takes the next free CUDA device, or the CPU when there is none; 'cpu', 'cuda:0', 'cuda:1' choose one.",
        section="control",
        label="Device",
    )


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


def validate(config: RunConfig) -> RunConfig:
    """`config` itself when every option is within its bounds; ConfigError with every problem otherwise."""
    problems = [problem for about in options() if (problem := problem_with(about, getattr(config, about.name)))]
    if config.strategy == "named" and not config.patterns.strip():
        problems.append("The strategy named needs names to train (patterns), such as 'layer4*'.")
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
    return {name: [row[name] for row in rows] for name in rows[0] if len({row[name] for row in rows}) > 1} if rows else {}


def command_line(config: RunConfig) -> str:
    """The exact `python -m engine train` command that repeats this run."""
    words = ["python -m engine train", f"--dataset {config.dataset}", f"--backbone {config.backbone}"]
    words.append(f"--strategy {config.strategy}")
    for about in options():
        value = getattr(config, about.name)
        if value != about.default:
            words.append(_argument(about.name, value))
    return " ".join(words)


def _argument(name: str, value: Value) -> str:
    quoted = "'" + str(value).replace("'", "'\\''") + "'" if isinstance(value, str) and not value.isalnum() else str(value)
    return f"--{name} {quoted}" if name in ("weights", "epochs", "seed") else f"--set {name}={quoted}"
