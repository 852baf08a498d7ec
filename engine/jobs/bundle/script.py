"""The form that needs nothing of Thaw: weights as safetensors, a description, and a script that classifies images.

The check runs that script as a stranger would. Not here: which images are asked about (specimens).
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import record_files
from engine.data.dataset_records import Rendering
from engine.data.preprocessing import Preprocessing
from engine.errors import RunError
from engine.evaluation import predictions
from engine.evaluation.result_csv import read_result
from engine.events import Progress
from engine.jobs.bundle.equality import COARSE, EXACT, demand_equal
from engine.jobs.bundle.formats import Subject
from engine.models.chain import SideOutput
from engine.models.sources.source import source_of

SCRIPT = Path(__file__).with_name("predict.py")
_TELLING = 100 * EXACT
_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Description:
    """model.json: everything that predict.py needs to know."""

    backbone: str
    constructor: str
    arguments: Mapping[str, object]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    rendering: Rendering
    run: str
    versions: Mapping[str, str]
    head: str = ""
    """Path of the last layer, where it reads more than what comes before it."""
    side_outputs: tuple[SideOutput, ...] = ()


def write(subject: Subject, folder: Path) -> None:
    """predict.py, model.safetensors and model.json."""
    trained, backbone = subject.trained, subject.trained.run.config.backbone
    source, preprocessing = source_of(backbone), trained.preprocessing
    description = Description(
        backbone=backbone,
        constructor=source.constructor,
        arguments=source.models().constructor_arguments(backbone, preprocessing.crop, len(trained.classes)),
        classes=trained.classes,
        preprocessing=preprocessing,
        rendering=trained.rendering,
        run=trained.run.id,
        versions=trained.origin.versions,
        head=trained.chain.head if trained.chain.side_outputs else "",
        side_outputs=trained.chain.side_outputs,
    )
    record_files.write(folder / "model.json", description)
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
    shutil.copyfile(trained.folder / "best.safetensors", folder / "model.safetensors")


def check(subject: Subject, folder: Path) -> Generator[Progress, None, str]:
    """predict.py against this program, and against what the dashboard shows."""
    given = yield from _answers(folder, subject.specimens.paths, subject.trained.classes)
    return _compare(subject, given) + _discrimination(subject.probabilities)


def _compare(subject: Subject, given: np.ndarray) -> str:
    """Against this program in float32 on the CPU, and against what the dashboard shows, however that was computed."""
    trained, rows, count = subject.trained, subject.specimens.rows, len(subject.specimens.paths)
    difference = demand_equal(given, subject.probabilities, allowed=EXACT, what="this program does in fp32")
    if rows is None:
        told = _difference(difference, EXACT)
        return f"predict.py answers as Thaw does on {count} drawn pictures, for the dataset is no longer here: {told}"
    shown = rows[[predictions.PREFIX + name for name in trained.classes]].to_numpy(dtype=np.float64)
    computed = trained.origin.precision
    device = trained.run.started.device if trained.run.started else "an unknown device"
    exact = computed.startswith("fp32") and device == "cpu"
    from_shown = demand_equal(given, shown, allowed=EXACT if exact else COARSE, what="the dashboard does")
    if exact:
        return f"predict.py answers as the dashboard does on {count} images: {_difference(from_shown, EXACT)}"
    return (
        f"predict.py answers as Thaw does in fp32 on {count} images: {_difference(difference, EXACT)} The dashboard's "
        f"own answers were computed in {computed} on {device}: {_difference(from_shown, COARSE)}"
    )


def _difference(difference: float, allowed: float) -> str:
    return f"probabilities differ by at most {difference:.1e} (allowed {allowed:g})."


def _discrimination(own: np.ndarray) -> str:
    """A model that says the same of every image agrees with any reading of them; then that has to be known."""
    apart = float(np.ptp(own, axis=0).max())
    if apart > _TELLING:
        return ""
    return f" It says almost the same of all of them (within {apart:.1e}), so this shows little of how they are read."


def _answers(folder: Path, images: Sequence[Path], classes: Sequence[str]) -> Generator[Progress, None, np.ndarray]:
    """float64 [images, classes] from the bundle in `folder`, in a process that knows nothing of Thaw. Closing ends
    it."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "result.csv"
        command = [sys.executable, "-I", "predict.py", *map(str, images), "--out", str(out)]
        with open(Path(temporary) / "errors", "w+b") as errors:
            code = yield from _exit_code(command, folder, stderr=errors.fileno())
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
        if code:
            reason = lines[-1][:300] if lines else f"exit code {code}"
            raise RunError(
                f"The bundle's predict.py does not run here ({reason}), so nothing was exported. Please report it."
            )
        table = read_result(out)
    if broken := [error for error in table["error"] if error]:
        raise RunError(
            f"The bundle's predict.py cannot read an image of the dataset ({broken[0][:300]}), so nothing was exported."
        )
    return table[[predictions.PREFIX + name for name in classes]].to_numpy(dtype=np.float64)


def _exit_code(command: list[str], folder: Path, *, stderr: int) -> Generator[Progress, None, int]:
    """Of `command`; closing the generator kills it."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        while True:
            yield Progress(stage="checking the bundle", done=0, total=1)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_SECONDS)
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
