"""Records: what every kind of job is asked, and what it gives, as the list of jobs keeps it. Loads without torch.

A source is the id of an upload, or, where `anywhere` is set, a path; a config is a RunConfig as JSON. Not here: doing
it (tasks).
"""

import msgspec

from engine.models.weights_store import Match


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is left out has its default."""


class Nothing(Record, frozen=True):
    """Asks for something that there is only one of."""


class ImportImages(Record, frozen=True, kw_only=True):
    source: str
    name: str = ""
    anywhere: bool = False
    keep_masks: bool = False
    classes_at: str = ""
    file_column: str = ""
    label_column: str = ""


class Draft(Record, frozen=True, kw_only=True):
    draft: str


class Sample(Record, frozen=True, kw_only=True):
    dataset: str


class Predict(Record, frozen=True, kw_only=True):
    """`name` is for people; an upload is used up. Without a source it is the images without a class that came with the
    run's dataset."""

    run: str
    source: str = ""
    name: str = ""
    device: str = "auto"
    anywhere: bool = False


class Predictions(Record, frozen=True, kw_only=True):
    """The name of a folder in `predictions/` of the run, and how many images have an answer there; older ones do not
    say."""

    predictions: str
    answered: int = 0
    unanswered: int = 0


class Backbones(Record, frozen=True, kw_only=True):
    backbones: int


class ReadOutline(Record, frozen=True, kw_only=True):
    backbone: str


class Blocks(Record, frozen=True, kw_only=True):
    blocks: int


class ReadWeights(Record, frozen=True, kw_only=True):
    """One of an upload, which is used up, and a path."""

    backbone: str
    upload: str = ""
    path: str = ""


class Weights(Record, frozen=True, kw_only=True):
    weights: str
    match: Match


class OfConfig(Record, frozen=True, kw_only=True):
    config: str


class RateRange(Record, frozen=True, kw_only=True):
    """Learning rates with their losses, and the rate that follows from them, if any does."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


class OfRun(Record, frozen=True, kw_only=True):
    run: str
    device: str = "auto"


class Export(Record, frozen=True, kw_only=True):
    """Without a folder the bundle is a zip in the folder of the run."""

    run: str
    folder: str = ""


class Bundle(Record, frozen=True, kw_only=True):
    file: str = ""
    files: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


class Explain(Record, frozen=True, kw_only=True):
    """What in image number `image` of the dataset, or of the run's `predictions`, speaks for a class; None: the
    predicted one."""

    run: str
    image: int
    predictions: str = ""
    of: str | None = msgspec.field(name="class", default=None)


class HeatMap(Record, frozen=True, kw_only=True):
    explanation: str
    of: str = msgspec.field(name="class")
    pictures: tuple[str, ...]


class EmbeddingCounts(Record, frozen=True, kw_only=True):
    """How many images there are, with labels that look wrong, and pairs that look the same."""

    images: int
    suspects: int
    twins: int


class Accuracy(Record, frozen=True, kw_only=True):
    """With its 95 % interval."""

    accuracy: float
    low: float
    high: float


class ProbedBlock(Record, frozen=True, kw_only=True):
    block: str
    stage: str
    ridge: Accuracy
    neighbours: Accuracy


class Controls(Record, frozen=True, kw_only=True):
    colours: Accuracy
    majority: Accuracy


class ProbeSuggestion(Record, frozen=True, kw_only=True):
    """The block where features carry furthest, those not shown to be worse, and last_n to train what lies above."""

    block: int
    alike: tuple[int, ...]
    name: str
    last_n: int


class Probe(Record, frozen=True, kw_only=True):
    """`random`: ridge on the same blocks with random weights; `images` of `of` training images were looked at."""

    blocks: tuple[ProbedBlock, ...]
    random: tuple[Accuracy, ...]
    controls: Controls
    suggestion: ProbeSuggestion
    images: int
    of: int

    @property
    def ends_early(self) -> bool:
        """Whether an earlier block is shown to say more of these classes than the last one."""
        last = len(self.blocks) - 1
        return self.suggestion.block != last and last not in self.suggestion.alike


class RankBackbones(Record, frozen=True, kw_only=True):
    """Which (backbone, weights) to look at; `config` names dataset, device and how images are seen."""

    config: str
    backbones: tuple[tuple[str, str], ...]


class RankedBackbone(Record, frozen=True, kw_only=True):
    """What a solved head reads from the features of one backbone, and what it takes; or why it could not be asked."""

    backbone: str
    weights: str
    ridge: Accuracy | None = None
    milliseconds: float = 0.0
    """Of one image through the backbone, on this machine."""
    problem: str = ""


class Ranking(Record, frozen=True, kw_only=True):
    """The best first, those with a problem last; the first `alike` + 1 cannot be told apart."""

    rows: tuple[RankedBackbone, ...]
    alike: int
    images: int
    of: int


class OfQueue(Record, frozen=True, kw_only=True):
    configs: tuple[str, ...]


class StrategyForecast(Record, frozen=True, kw_only=True):
    """What one run of a strategy takes by itself, and all its `runs` in this queue. Seconds and bytes."""

    strategy: str
    backbone: str
    phases: int
    planned_epochs: int = 0
    """0 in what an earlier version foretold."""
    peak_memory_bytes: int
    trainable_parameters: int
    cache_bytes: int
    epochs: float
    validation: float
    answers: float
    runs: int
    total: float
    fill_alone: float
    fill_shared: float
    problems: tuple[str, ...]


class QueueForecast(Record, frozen=True, kw_only=True):
    strategies: tuple[StrategyForecast, ...]
    seconds: float
    cache_bytes: int
    problems: tuple[str, ...]
