"""RunConfig: everything that decides a run.

The Configure page, the command line (`--set key=value`), validation and docs/options.md derive from these fields. Not
here: how a field carries its documentation (options), what is done with a configuration (config).
"""

from dataclasses import dataclass

from engine.options import option

SECTIONS = {
    "data": "Data",
    "strategy": "Strategy",
    "optimisation": "Optimisation",
    "augmentation": "Images",
    "control": "Control",
}
"""Section of the form -> its title."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The only input of a run. Equal configs on equal data give equal results on the same machine."""

    dataset: str
    backbone: str
    strategy: str = "linear_probe"
    weights: str = option(
        "default",
        "Weights",
        "Where the backbone starts: 'default' (the best published weights), 'none' (random), the name of other "
        "published weights, 'file:ID' (weights you brought) or 'run:ID' (an earlier run).",
        section="data",
    )
    head: str = option(
        "auto",
        "Head of the weights",
        "Whether the head of a weights file or an earlier run is taken over: 'auto' where it is known to be for the "
        "same classes, 'new' never, 'keep' takes its outputs as your classes in their order.",
        choices=("auto", "new", "keep"),
    )
    last_n: int = option(
        2,
        "Blocks to train",
        "How many of the last blocks train, the head included, when the strategy is last_n.",
        section="strategy",
        low=1,
        high=200,
    )
    patterns: str = option(
        "",
        "Names to train",
        "For the strategy named: block or parameter names with * and ?, separated by commas, such as 'layer4*, "
        "head' or '*.bias'. The head always trains.",
        example="layer4*",
    )
    first_epochs: int = option(
        0,
        "Epochs of the first phase",
        "Epochs of the first phase, for the strategies that step through two; 0 gives it half.",
        low=0,
        high=999,
    )
    phases: str = option(
        "",
        "Phases",
        "Phases of your own in place of the strategy's: 'names | epochs | rate | decay | rate of the body' for each, "
        "separated by semicolons, such as 'head | 2 | 1e-3; layer4 | 3 | 1e-4 | 0.8'. The head always trains.",
    )
    batch_norm: str = option(
        "batch",
        "BatchNorm in training blocks",
        "What BatchNorm does in the blocks that train (in frozen ones it never changes): 'batch' normalises by each "
        "batch and learns, 'running' keeps the pretrained statistics, 'statistics' lets only the statistics follow "
        "the data.",
        choices=("batch", "running", "statistics"),
    )
    epochs: int = option(
        0,
        "Epochs",
        "How many times training sees every image. 0 takes as many as make 300 steps, at least 5 and at most 50, and "
        "stops early where validation no longer improves.",
        section="optimisation",
        zero="automatic",
        low=0,
        high=1000,
        basic=True,
    )
    batch_size: int = option(32, "Batch size", "Images per optimisation step.", low=1, high=4096, basic=True)
    optimizer: str = option(
        "adamw",
        "Optimizer",
        "The rule that turns gradients into steps. AdamW is forgiving; SGD is the classic.",
        choices=("adamw", "sgd", "adam"),
    )
    lr: float = option(
        0.0,
        "Learning rate",
        "Peak learning rate of the head; that of the body goes up and down with it. 0 takes what suits the optimizer: "
        "1e-3 for AdamW and Adam, 1e-2 for SGD.",
        zero="automatic",
        low=0.0,
        high=10.0,
        basic=True,
    )
    tune: int = option(
        0,
        "Learning rates tried",
        "Trains this many times with learning rates a factor of three apart, around the one above, and then once "
        "more with the one that validation likes best. In a comparison every strategy tries as many. 0 or 1 tries "
        "none.",
        low=0,
        high=9,
    )
    body_lr: float = option(
        0.0,
        "Learning rate of the body",
        "Peak learning rate of all blocks but the head, before the decay. 0 takes a tenth of the head's.",
        zero="automatic",
        low=0.0,
        high=10.0,
    )
    lr_decay: float = option(
        0.0,
        "Layer-wise rate decay",
        "Multiplied into the learning rate of the body once for every block from the head down. 0 takes 0.9, less "
        "steep where there are many blocks; 1 gives all blocks the same rate, the head's unless the body has its own.",
        zero="automatic",
        low=0.0,
        high=1.0,
    )
    momentum: float = option(0.9, "Momentum", "Momentum of SGD; the others ignore it.", low=0.0, high=0.999)
    weight_decay: float = option(
        1e-4, "Weight decay", "Pulls weights towards zero; never applied to biases and norms.", low=0.0, high=1.0
    )
    schedule: str = option(
        "cosine",
        "Schedule",
        "How the learning rate changes: cosine falls smoothly to zero, step divides by ten twice, constant stays.",
        choices=("cosine", "step", "constant"),
    )
    warmup: float = option(
        0.1,
        "Warm-up share",
        "Share of the steps in which the learning rate climbs from zero to its peak.",
        low=0.0,
        high=0.9,
    )
    label_smoothing: float = option(
        0.0,
        "Label smoothing",
        "Keeps the model from being certain: this share of every target is spread over all classes.",
        low=0.0,
        high=0.9,
    )
    class_weights: str = option(
        "none",
        "Class weights",
        "'balanced' makes a mistake on a rare class cost more, in inverse proportion to its count.",
        choices=("none", "balanced"),
    )
    views: int = option(
        0,
        "Augmented views",
        "Random crops and flips: 0 shows every image the same way each time, K takes turns between K fixed views, "
        "as many as there are epochs (or more) gives a new view every time.",
        section="augmentation",
        low=0,
        high=1000,
        basic=True,
    )
    augment: str = option(
        "crop",
        "Augmentation",
        "What a view does: 'crop' a random crop and flip; 'trivial' adds one random distortion (TrivialAugment), "
        "'rand' adds two of medium strength (RandAugment). Has no effect while views is 0.",
        choices=("crop", "trivial", "rand"),
    )
    mix: str = option(
        "none",
        "Mixing",
        "Blends pairs of images and their labels: 'mixup' overlays them, 'cutmix' pastes a rectangle of one into "
        "the other.",
        choices=("none", "mixup", "cutmix"),
    )
    sampling: str = option(
        "shuffled",
        "Sampling",
        "'shuffled' shows every image once an epoch; 'balanced' draws all classes equally often, so images of rare "
        "ones repeat.",
        choices=("shuffled", "balanced"),
    )
    preprocessing: str = option(
        "weights",
        "Preprocessing",
        "'weights' prepares images as the pretrained weights expect; 'half' resizes to a square and uses mean 0.5 "
        "and deviation 0.5.",
        choices=("weights", "half"),
    )
    image_size: int = option(
        0,
        "Image size",
        "Side of the square the backbone sees, in pixels; 0 takes the size the weights were made for.",
        zero="automatic",
        low=0,
        high=1024,
    )
    seed: int = option(
        0,
        "Seed",
        "Decides the new head, the order of images and dropout; the same seed gives the same run.",
        section="control",
        low=0,
        high=2**31 - 1,
        basic=True,
    )
    train_share: int = option(
        100,
        "Share of the training images",
        "Percent of the training images that training uses, the same of every class; smaller shares lie within "
        "larger ones. Shows what more images would bring.",
        low=1,
        high=100,
    )
    data_seed: int = option(
        0,
        "View seed",
        "Decides the augmented views, so that runs with different seeds still see the same pictures.",
        low=0,
        high=2**31 - 1,
    )
    patience: int = option(
        0,
        "Early stopping patience",
        "Stop when the validation score has not improved for this many epochs of the last phase. 0 trains to the end, "
        "unless the epochs are automatic.",
        zero="automatic",
        low=0,
        high=1000,
    )
    max_minutes: float = option(
        0.0,
        "Time budget in minutes",
        "Training ends after so many minutes, with the best epoch so far; learning rates that are tried share them "
        "evenly with it. 0 sets no limit.",
        low=0.0,
        high=100000.0,
    )
    ema: float = option(
        0.0,
        "Weight averaging",
        "Judges and keeps a moving average of the weights: the share of the average that stays at each step, such "
        "as 0.99; 0 is off.",
        low=0.0,
        high=0.99999,
    )
    select: str = option(
        "accuracy",
        "Best epoch by",
        "Which validation score decides the best epoch, whose weights are kept.",
        choices=("accuracy", "loss"),
    )
    precision: str = option(
        "auto",
        "Precision",
        "Number format of the computation; auto takes bf16 on a GPU that has it, and on a CPU measures whether it "
        "pays.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    arithmetic: str = option(
        "fast",
        "Arithmetic on a GPU",
        "'fast' lets a GPU measure and take its quickest kernels; 'reproducible' makes it repeat itself bit for "
        "bit, more slowly. A CPU repeats itself either way.",
        choices=("fast", "reproducible"),
    )
    device: str = option(
        "auto",
        "Device",
        "'auto' takes the next free CUDA device, else a Mac's GPU, else the CPU; 'cpu', 'cuda:0', 'mps' choose one.",
    )
