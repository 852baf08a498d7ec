"""What following the probe costs: its suggestion against the measured winner on several small datasets; writes
docs/probe.md.

    python -m tests.probe_regret [--data photos.zip] [--out docs/probe.md]

A backbone is trained on made pictures first, so that depth matters without any download. Not a test: pytest does not
collect it.
"""

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image, ImageDraw

from engine.config import to_json
from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.data.painting import PATTERNS, paint
from engine.jobs.probe import probe
from engine.jobs.records import OfConfig, Probe
from engine.record_files import decode
from engine.runconfig import RunConfig
from engine.runs.pipeline import execute
from engine.store.run_store import RunStore
from engine.training.freezing import validate
from engine.workspace import Workspace, open_workspace

BACKBONE, SIDE, DEPTHS = "resnet18", 64, (1, 3, 9)
Picture = Callable[[int, np.random.Generator], Image.Image]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One dataset: what the probe said, and the measured accuracy at every depth."""

    name: str
    train: int
    test: int
    block: str
    suggested: int
    alike: int
    seconds: float
    measured: dict[int, float]

    @property
    def best(self) -> float:
        return max(self.measured.values())

    @property
    def regret(self) -> float:
        return self.best - self.measured[self.suggested]


def pattern(kind: int, random: np.random.Generator) -> Image.Image:
    """A painted thing; the class is its pattern, as in the sample dataset."""
    return paint(sorted(PATTERNS)[kind], random).resize((96, 96))


def colour(kind: int, random: np.random.Generator) -> Image.Image:
    """A painted thing of any pattern; the class is a cast of colour."""
    picture = np.asarray(paint(str(random.choice(sorted(PATTERNS))), random).resize((96, 96)), dtype=np.float64)
    cast = np.array([[1.12, 1, 0.9], [0.9, 1.1, 1], [1, 0.9, 1.12], [1.06, 1.06, 0.86]])[kind]
    return Image.fromarray(np.clip(picture * cast, 0, 255).astype(np.uint8))


def texture(kind: int, random: np.random.Generator) -> Image.Image:
    """Noise in random colours; the class is how coarse it is."""
    size = (6, 10, 17, 30)[kind] + int(random.integers(-1, 2))
    grid = Image.fromarray(random.integers(0, 256, (size, size), dtype=np.uint8)).resize(
        (96, 96), Image.Resampling.BICUBIC
    )
    share = np.asarray(grid, dtype=np.float64)[..., None] / 255
    first, second = random.integers(0, 256, (2, 3))
    noise = random.normal(0, 14, (96, 96, 3))
    return Image.fromarray(np.clip(first * share + second * (1 - share) + noise, 0, 255).astype(np.uint8))


def shape(kind: int, random: np.random.Generator) -> Image.Image:
    """A figure of any colour, size and turn on a painted ground; the class is how many corners it has."""
    ground = paint(str(random.choice(sorted(PATTERNS))), random).resize((96, 96)).crop((0, 0, 40, 40)).resize((96, 96))
    tint = tuple(int(value) for value in random.integers(0, 256, 3))
    x, y, radius = (float(value) for value in (*random.uniform(34, 62, 2), random.uniform(16, 30)))
    corners = (3, 4, 6, 40)[kind]
    ImageDraw.Draw(ground).regular_polygon((x, y, radius), corners, rotation=float(random.uniform(0, 360)), fill=tint)
    return ground


TASK_PICTURES: dict[str, tuple[Picture, int]] = {
    "patterns, new pictures": (pattern, 6),
    "colour cast": (colour, 4),
    "coarseness": (texture, 4),
    "corners": (shape, 4),
}


def drawn(
    workspace: Workspace, name: str, picture: Picture, kinds: int, *, each: int, seed: int, ratios: tuple[float, ...]
) -> Dataset:
    with tempfile.TemporaryDirectory() as at:
        for kind in range(kinds):
            folder = Path(at) / f"kind {kind}"
            folder.mkdir()
            for number in range(each):
                picture(kind, np.random.default_rng([seed, kind, number])).save(folder / f"{number:03d}.png")
        return commit(workspace, scan(workspace, Path(at), name=name), ratios=ratios)  # type: ignore[arg-type]


def trained(workspace: Workspace, **options: object) -> tuple[str, float]:
    """(run, test accuracy) of one run, here and now."""
    config = validate(RunConfig(backbone=BACKBONE, image_size=SIDE, device="cpu", **options))  # type: ignore[arg-type]
    store = RunStore(workspace)
    run = store.enqueue(config, owner="probe")
    *_, finished = execute(run, workspace, device="cpu")
    store.finish(run.id, "finished")
    summary = finished.summary
    return run.id, summary.val_accuracy if summary.test_accuracy is None else summary.test_accuracy


def judged(workspace: Workspace, dataset: Dataset, weights: str, *, seeds: int, epochs: int) -> Row:
    """Ask the probe about `dataset`, then train at every depth."""
    started = time.monotonic()
    question = RunConfig(dataset=dataset.id, backbone=BACKBONE, weights=weights, image_size=SIDE, device="cpu")
    *_, result = probe(workspace, OfConfig(config=to_json(question)))
    seconds, advice = time.monotonic() - started, decode(result.value, Probe, what="The probe").suggestion
    measured, given = {}, {"dataset": dataset.id, "weights": weights, "epochs": epochs, "batch_size": 16}
    for depth in sorted({*DEPTHS, advice.last_n}):
        options = {**given, "strategy": "last_n", "last_n": depth}
        measured[depth] = fmean(trained(workspace, seed=seed, **options)[1] for seed in range(seeds))
        print(f"{dataset.name}: last {depth}: {measured[depth]:.1%}", file=sys.stderr, flush=True)
    return Row(
        name=dataset.name,
        train=len(dataset.images_of("train")),
        test=len(dataset.images_of("test")),
        block=advice.name,
        suggested=advice.last_n,
        alike=len(advice.alike),
        seconds=seconds,
        measured=measured,
    )


def rows(workspace: Workspace, data: Path | None, *, seeds: int, epochs: int) -> Iterator[Row]:
    source = drawn(workspace, "patterns", pattern, 6, each=60, seed=1, ratios=(0.8, 0.1, 0.1))
    weights, accuracy = trained(
        workspace, dataset=source.id, weights="none", strategy="from_scratch", epochs=8, batch_size=16
    )
    print(f"first training: {accuracy:.1%} on patterns", file=sys.stderr, flush=True)
    for name, (picture, kinds) in TASK_PICTURES.items():
        datasets = [drawn(workspace, name, picture, kinds, each=40, seed=2, ratios=(0.4, 0.1, 0.5))]
        if data is not None and picture is pattern:
            datasets.append(commit(workspace, scan(workspace, data, name=data.stem)))
        for dataset in datasets:
            yield judged(workspace, dataset, f"run:{weights}", seeds=seeds, epochs=epochs)


def page(rows: list[Row], command: str, *, seeds: int, seconds: float) -> str:
    """docs/probe.md."""
    answers = []
    for row in rows:
        winner = max(row.measured, key=lambda depth: row.measured[depth])
        prediction = f"frozen up to `{row.block}`, last {row.suggested} train; {row.alike} blocks alike"
        there, best = f"{row.measured[row.suggested]:.1%}", f"last {winner}: {row.measured[winner]:.1%}"
        images = f"{row.train} / {row.test}"
        answers.append((row.name, images, prediction, there, best, f"{100 * row.regret:.1f}", f"{row.seconds:.1f} s"))
    heads = ("dataset", "training / test images", "the probe predicts", "measured there", "measured winner")
    rules = {"follow the probe": fmean(row.regret for row in rows)}
    for depth in DEPTHS:
        rules[f"always train the last {depth}"] = fmean(row.best - row.measured[depth] for row in rows)
    rules["a depth by lot"] = fmean(row.best - fmean(row.measured.values()) for row in rows)
    depths = [(row.name, *(f"{row.measured[depth]:.1%}" for depth in DEPTHS)) for row in rows]
    return TEXT.format(
        table=table((*heads, "regret, points", "probe took"), answers),
        rules=table(("rule", "mean regret, points"), [(rule, f"{100 * lost:.1f}") for rule, lost in rules.items()]),
        reading=reading(rules),
        measured=table(("dataset", *(f"last {depth}" for depth in DEPTHS)), depths),
        command=command,
        date=time.strftime("%Y-%m-%d"),
        where=f"{os.cpu_count()} cores, no GPU, one thread, {platform.machine()}, Python {platform.python_version()}",
        minutes=seconds / 60,
        seeds=seeds,
        side=SIDE,
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def reading(rules: dict[str, float]) -> str:
    """Whether following the probe lost less than the best rule that looks at nothing."""
    probe, fixed = rules["follow the probe"], {rule: lost for rule, lost in rules.items() if rule.startswith("always")}
    best = min(fixed, key=lambda rule: fixed[rule])
    said = f"Following the probe lost {100 * probe:.1f} points on average, "
    said += f"the best rule that looks at nothing ({best}) {100 * fixed[best]:.1f}"
    return said + (": this run does not show that the probe helps." if fixed[best] <= probe + 0.01 else ".")


TEXT = """# What the probe predicts, and what following it costs

The probe looks at up to 500 training images once, averages what every block answers over all positions, and asks how
well the classes
can be read from that: by a ridge classifier in closed form and by the five nearest neighbours, every image judged by
the others. Three
controls say what is not the backbone's merit: mean and deviation of the colours, the most frequent class, and the
same backbone with
random weights. It takes seconds, trains nothing, and looks at no validation or test image.

It predicts how far up frozen features carry. It does not measure what training the blocks above would still gain, so
it is a
prediction about a depth and no verdict on a strategy: **it ranks nothing, chooses nothing and changes no default.**
Blocks that it
cannot tell apart from the peak are named with it.

## Measured

Regret is the test accuracy of the measured winner less the test accuracy at the depth the probe predicts, in points.
The backbone is a
resnet18 trained at {side} px on painted patterns; every strategy trains the last blocks from there.
Seeds per depth: {seeds}. The winner is the
best of several noisy numbers, which overstates every regret a little; with this few test images a difference of some
points is no news.

{table}

{rules}

{reading}

This is a small experiment and no more. A backbone trained for minutes is weak, the images are few, and where
accuracies stay near that
of guessing (one in the number of classes) regret is luck. The probe's own depth is measured beside the fixed ones, so
its pick has one more
chance to be the winner. Most of its peaks cannot be told apart from most other blocks, and then its suggestion says
little.

Test accuracy by how many of the last blocks train, the head included (9 is everything):

{measured}

`{command}` on {date}: {where}; {minutes:.1f} minutes. What `--data` names are photographs; the other datasets are made.
Where a dataset has no test images, validation accuracy stands in.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="photographs: a zip or a folder of classes")
    parser.add_argument("--out", type=Path, default=Path("docs/probe.md"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    started, done = time.monotonic(), []
    command = shlex.join(
        ["python", "-m", "tests.probe_regret", *(["--data", options.data.name] if options.data else [])]
    )
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(open_workspace(folder), options.data, seeds=options.seeds, epochs=options.epochs):
            done.append(row)  # and a page after each: somebody may cut it short
            options.out.write_text(page(done, command, seeds=options.seeds, seconds=time.monotonic() - started))


if __name__ == "__main__":
    main()
