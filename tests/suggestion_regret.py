"""What following the suggestion costs: the best of the suggested strategies by validation, against the best of all that
were trained; writes docs/probe.md.

    python -m tests.suggestion_regret --weights FILE --backbone mobilenet_v2 --data a.zip --data b.zip --folder DIR

Every run is a line in DIR, so that what was interrupted goes on. Not a test: pytest does not collect it.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import torch

from engine import devices
from engine.bench.defaults import DEFAULT, Cell, Question, cells_of, measure_defaults
from engine.bench.markdown import table
from engine.comparisons.suggestion import suggest
from engine.config import to_json
from engine.data.dataset import list_datasets
from engine.jobs.probe import probe
from engine.jobs.records import OfConfig, Probe
from engine.models.weights_store import list_weights
from engine.record_files import decode
from engine.runconfig import RunConfig
from engine.training.strategies import STRATEGIES
from engine.workspace import Workspace, open_workspace

TRIED = ("prototypes", "linear_probe", "multi_layer_probe", "last_block", "last_stage", "full_finetune")

TEXT = """# What the probe and the suggestion are worth

**The probe** looks at up to 500 training images once, averages what every block answers over all positions, and asks
how well the classes can be read from that: by a ridge classifier in closed form and by the five nearest neighbours,
every image judged by the others. Three controls say what is not the backbone's merit: mean and deviation of the
colours, the most frequent class, and the same backbone with random weights. It takes seconds, trains nothing, and looks
at no validation or test image. It predicts how far up frozen features carry, not what training the blocks above would
still gain.

**The suggestion** on Configure names the strategies to compare first. It follows from the training images a class, from
the weights, and from whether the probe shows that the features end early.

## Measured

Every strategy at its defaults with {weights} on {backbone} at {side} px, {seeds} seeds (one where a strategy is
solved). *Following* a rule means to train what it names and to take the best of those by validation, seed by seed.
Regret is the test accuracy of the best strategy of the dataset less what following gives, in points; the best of
several noisy means is partly the luckiest, which overstates every regret a little.

{answers}

{rules}

{reading}

Test accuracy of every strategy in percent, mean over seeds:

{measured}

`{command}` on {date}: {machine}, {threads} threads.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One dataset: what was suggested, and every run, by strategy."""

    name: str
    train: int
    probe: str
    probe_seconds: float
    suggested: tuple[str, ...]
    runs: Mapping[str, Sequence[Cell]]

    @property
    def best(self) -> float:
        return max(self.mean(name) for name in self.runs)

    def mean(self, name: str) -> float:
        return fmean(100 * cell.test_accuracy for cell in self.runs[name])

    def regret(self, names: Sequence[str]) -> float:
        """Of the best of `names` by validation; the cheaper one of equals, which comes first."""
        seeds = max(len(self.runs[name]) for name in names)
        got = []
        for seed in range(seeds):
            cells = [self.runs[name][seed % len(self.runs[name])] for name in names]
            got.append(100 * max(cells, key=lambda cell: cell.val_accuracy).test_accuracy)
        return self.best - fmean(got)


def row(workspace: Workspace, name: str, base: RunConfig, cells: Sequence[Cell]) -> Row:
    started = time.monotonic()
    *_, result = probe(workspace, OfConfig(config=to_json(base)))
    found = decode(result.value, Probe, what="The probe")
    suggested = suggest(base, workspace, unlike=found.ends_early).strategies
    runs: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.dataset == name and cell.setting == DEFAULT:
            runs.setdefault(cell.strategy, []).append(cell)
    return Row(
        name=name,
        train=cells[0].train_images,
        probe=f"`{found.suggestion.name}`{', shown to end early' if found.ends_early else ''}",
        probe_seconds=time.monotonic() - started,
        suggested=tuple(one for one in suggested if one in runs),
        runs={one: runs[one] for one in TRIED if one in runs},
    )


def rules_of(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Rule -> regret on every dataset."""
    everything = [one for one in TRIED if all(one in row.runs for row in rows)]
    rules = {"the suggestion": [row.regret(row.suggested) for row in rows]}
    rules["everything, best by validation"] = [row.regret(everything) for row in rows]
    return rules | {f"always `{one}`": [row.regret([one]) for row in rows] for one in everything}


def reading(rules: Mapping[str, Sequence[float]]) -> str:
    """Whether following the suggestion lost less than the best rule that looks at nothing."""
    ours = fmean(rules["the suggestion"])
    fixed = {rule: fmean(lost) for rule, lost in rules.items() if rule.startswith("always")}
    best = min(fixed, key=lambda rule: fixed[rule])
    said = f"Following the suggestion lost {ours:.1f} points on average, the best rule that looks at nothing ({best}) "
    said += f"{fixed[best]:.1f}"
    return said + (": this does not show that the suggestion helps." if fixed[best] <= ours + 0.05 else ".")


def page(rows: Sequence[Row], given: argparse.Namespace, command: str) -> str:
    answers = [
        (row.name, f"{row.train:,}", row.probe, ", ".join(row.suggested), f"{row.regret(row.suggested):.1f}")
        for row in rows
    ]
    rules = rules_of(rows)
    names = [one for one in TRIED if any(one in row.runs for row in rows)]
    measured = [(row.name, *(f"{row.mean(one):.1f}" if one in row.runs else "–" for one in names)) for row in rows]
    return TEXT.format(
        weights=Path(given.weights).stem,
        backbone=given.backbone,
        side=given.image_size or "its own",
        seeds=given.seeds,
        answers=table(("dataset", "training images", "features carry furthest to", "suggested", "regret"), answers),
        rules=table(
            ("rule", "mean regret", "worst"),
            [(rule, f"{fmean(lost):.1f}", f"{max(lost):.1f}") for rule, lost in rules.items()],
        ),
        reading=reading(rules),
        measured=table(("dataset", *(f"`{one}`" for one in names)), measured),
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        machine=devices.name(torch.device("cpu")),
        threads=torch.get_num_threads(),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--data", action="append", required=True, type=Path)
    parser.add_argument("--image-size", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True, help="what has been measured; goes on")
    parser.add_argument("--out", type=Path, default=Path("docs/probe.md"))
    given = parser.parse_args()
    devices.set_threads()
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    rows = []
    for source in given.data:
        for name in (name for name in TRIED if name in STRATEGIES):
            question = Question(
                sources=(source,),
                weights=given.weights,
                backbone=given.backbone,
                image_size=given.image_size,
                strategies=(name,),
                seeds=min(given.seeds, STRATEGIES[name].seeds),
                settings=(DEFAULT,),
            )
            for cell in measure_defaults(given.folder, question):
                print(f"{cell.dataset} {name}: {cell.test_accuracy:.1%} in {cell.seconds:.0f} s", flush=True)
        workspace = open_workspace(str(given.folder / "workspace"))
        dataset = next(known.id for known in list_datasets(workspace) if known.name == source.stem)
        weights = f"file:{list_weights(workspace)[0].id}"
        base = RunConfig(dataset=dataset, backbone=given.backbone, weights=weights, image_size=given.image_size)
        rows.append(row(workspace, source.stem, base, cells_of(given.folder)))
        text = page(rows, given, shlex.join(["python", "-m", "tests.suggestion_regret", *words]))
        given.out.write_text(text, encoding="utf-8")  # after each: somebody may cut it short


if __name__ == "__main__":
    main()
