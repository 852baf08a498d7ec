"""Workloads: what is compared, and how much faster than the classic loop Thaw means to be. Loads without torch.

Not here: how anything is measured (runner), how measurements become ratios (arithmetic).
"""

from dataclasses import dataclass, replace

from engine.runconfig import RunConfig
from engine.training.strategies import STRATEGIES

CONTENDERS = ("classic", "fixed", "fastai", "bare", "thaw")
"""`fixed` is the classic loop with the BatchNorm statistics of its frozen layers fixed: for the accuracy, where
anything is frozen."""
AGAIN = "thaw again"
"""The second run on the same workspace: what the first one kept is there."""
TOGETHER = ("bare", "thaw", AGAIN)
"""They do a whole workload at once; the others are measured training by training, and theirs add up."""
EPOCHS, EPOCHS_WHOLE = 15, 5
"""Unless somebody says otherwise; as whole commands as many as a run of Thaw has."""
DEFAULTS = "thaw, defaults"
"""Thaw as a whole command that is told neither epochs nor rates."""
OTHERS = (
    ("classic", "linear_probe"),
    ("classic", "full_finetune"),
    ("fixed", "linear_probe"),
    ("fastai", "fine_tune"),
    ("sklearn", "logistic_regression"),
)
"""(contender, what it does) as whole commands, beside Thaw at its defaults."""
FIRST_START = {"linear_probe": 4.0, "last_block": 2.5, "full_finetune": 1.25}
"""What is measured from the command on where nothing is kept -> at least so many times as fast as the classic loop."""
SEEDS = 20
VIEWS = 4

# one rate for all blocks, and steps, as the other loops have them
_PLAIN = RunConfig(dataset="", backbone="", strategy="linear_probe_steps", lr_decay=1.0)
TRAININGS = {
    "linear_probe": _PLAIN,
    "last_block": replace(_PLAIN, strategy="last_block"),
    "last_stage": replace(_PLAIN, strategy="last_stage"),
    "last_two_stages": replace(_PLAIN, strategy="named", patterns="layer3*, layer4*"),
    "full_finetune": replace(_PLAIN, strategy="full_finetune"),
    "views": replace(_PLAIN, views=VIEWS),
}
"""What trains, by name; an experiment adds data, model, epochs and seed. The classic loop and fastai are measured in
each."""


def strategies_alone() -> tuple[str, ...]:
    """Those that need neither an option of their own nor a checkpoint, and start from the weights everybody gets."""
    return tuple(name for name, strategy in STRATEGIES.items() if strategy.start == "weights" and not strategy.asks)


def seeds_of(contender: str, what: str) -> int:
    """How many seeds of a whole command are worth measuring at most: one where all give the same answers."""
    if contender == "sklearn":
        return 1
    return STRATEGIES[what].seeds if contender == DEFAULTS else SEEDS


def rate_of(training: str) -> float:
    """The learning rate of the classic loop and fastai: the notebooks' 1e-3, a tenth of it where everything trains."""
    return 1e-4 if training == "full_finetune" else 1e-3


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One line of the table."""

    name: str
    title: str
    trainings: tuple[str, ...]
    """Names in TRAININGS."""
    seeds: int = 1
    target: float | None = None
    """At least so many times as fast as the classic loop."""
    limit: float | None = None
    """At most so many times as long as the bare computation."""

    @property
    def freezes(self) -> bool:
        """Whether every training has frozen layers."""
        return "full_finetune" not in self.trainings


WORKLOADS: dict[str, Workload] = {
    row.name: row
    for row in (
        Workload(name="linear_probe", title="linear probe", trainings=("linear_probe",), target=20, limit=1.15),
        Workload(name="last_block", title="last block", trainings=("last_block",), target=8, limit=1.15),
        Workload(name="last_stage", title="last stage", trainings=("last_stage",), target=5, limit=1.15),
        Workload(name="full_finetune", title="full fine-tuning", trainings=("full_finetune",), target=2.2, limit=1.10),
        Workload(
            name="five",
            title="five strategies side by side",
            trainings=("linear_probe", "last_block", "last_stage", "last_two_stages", "full_finetune"),
            target=4,
            limit=1.15,
        ),
        Workload(
            name="seeds", title=f"linear probe, {SEEDS} seeds", trainings=("linear_probe",), seeds=SEEDS, target=200
        ),
        Workload(
            name="views", title=f"linear probe, {VIEWS} augmented views", trainings=("views",), target=6, limit=1.15
        ),
    )
}
