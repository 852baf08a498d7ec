"""Workloads: what is compared, and how much faster than the classic loop Thaw means to be. Plain data, without torch.

Not here: how anything is measured (runner), how measurements become ratios (arithmetic).
"""

from dataclasses import dataclass, replace

from engine.runconfig import RunConfig

CONTENDERS = ("classic", "fixed", "fastai", "bare", "thaw")
"""`fixed` is the classic loop with the BatchNorm statistics of its frozen layers fixed: for the accuracy, where
anything is frozen."""
AGAIN = "thaw again"
"""The second run on the same workspace: what the first one kept is there."""
PART, WITHOUT_PART = "with part", "without part"
"""The contenders under whose names the parts of Thaw are measured, on and off."""
GROWTH = "growth"
"""The contender under whose name Thaw is measured with more images and more epochs."""
OPERATION = "operation"
"""The contender under whose name the operations of the bare computation are kept."""
PROFILED = ("linear_probe", "last_block", "last_stage", "full_finetune")
OPERATIONS = {
    "convolution, forward": ("aten::mkldnn_convolution", "aten::cudnn_convolution", "aten::_slow_conv2d_forward"),
    "convolution, backward": ("aten::convolution_backward", "aten::cudnn_convolution_backward"),
    "BatchNorm": (
        "aten::native_batch_norm",
        "aten::native_batch_norm_backward",
        "aten::cudnn_batch_norm",
        "aten::cudnn_batch_norm_backward",
    ),
    "other layers": (
        *("aten::add_", "aten::add", "aten::mean", "aten::div", "aten::sum"),
        *("aten::clamp_min", "aten::clamp_min_", "aten::relu", "aten::relu_", "aten::threshold_backward"),
        *("aten::max_pool2d_with_indices", "aten::max_pool2d_with_indices_backward"),
        *("aten::addmm", "aten::mm", "aten::linear", "aten::mkldnn_linear", "aten::_log_softmax"),
    ),
    "number formats and copies": ("aten::copy_", "aten::cat", "aten::index", "aten::clone", "aten::_to_copy"),
    "optimizer": ("aten::_fused_adam_", "aten::_fused_adamw_", "aten::_fused_sgd_"),
}
"""Kinds of operation by the names that torch's profiler has for them, on a CPU and on a GPU."""
SEEDS = 20
FEW_SEEDS = 5
"""Of the parts that only count between runs."""
VIEWS = 4
WIDTH, HEIGHT = 500, 375
"""Pixels of a photograph that is made."""

_PLAIN = RunConfig(dataset="", backbone="")
TRAININGS = {
    "linear_probe": _PLAIN,
    "last_block": replace(_PLAIN, strategy="last_block"),
    "last_stage": replace(_PLAIN, strategy="last_stage"),
    "last_two_stages": replace(_PLAIN, strategy="named", patterns="layer3*, layer4*"),
    "full_finetune": replace(_PLAIN, strategy="full_finetune"),
    "views": replace(_PLAIN, views=VIEWS),
}
"""What trains, by name, in a configuration that says nothing of data, model, epochs and seed: the classic loop and
fastai are measured in each."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One line of the table."""

    name: str
    title: str
    trainings: tuple[str, ...]
    """Names in TRAININGS; Thaw and the bare computation do them together, the others one by one, so theirs add up."""
    seeds: int = 1
    target: float | None = None
    """At least so many times as fast as the classic loop."""
    limit: float | None = None
    """At most so many times as long as the bare computation."""

    @property
    def freezes(self) -> bool:
        """Whether every training has frozen layers."""
        return "full_finetune" not in self.trainings

    @property
    def single(self) -> bool:
        return len(self.trainings) == 1 and self.seeds == 1


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


TITLES = {
    "activations": "frozen activations kept: linear probe",
    "deep_activations": "frozen activations kept: last block",
    "siblings": "one pass for all waiting runs: linear probe, last block, last stage",
    "pixels": "decoded pixels kept: full fine-tuning",
    "format": "number format measured instead of fp32: full fine-tuning",
    "in_turn": "no batches made ahead where computing has every core: full fine-tuning",
    "model": f"the built model kept between runs: {FEW_SEEDS} seeds of a linear probe",
    "memory": f"small activations read without a thread: {FEW_SEEDS} seeds of a linear probe",
    "saving": f"short epochs saved together: {FEW_SEEDS} seeds of a linear probe",
}
"""The optimisations that are measured one by one, by name."""
