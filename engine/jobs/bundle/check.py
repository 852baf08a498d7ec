"""The self-check of a bundle: its own predict.py, run as a stranger would run it, must answer as this program does.

Not here: which images are asked about, and what the right answers are (export).
"""

import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from engine.errors import RunError
from engine.evaluation.predictions import PREFIX
from engine.evaluation.result_csv import read_result
from engine.store.database import Json

EXACT = 1e-5
"""Largest difference of a probability when both sides compute in float32 on the CPU."""
ONNX = 1e-4
COARSE = 0.1
"""The same when the other side computed on a GPU or in fewer bits; the weights of another run differ by more."""
_POLL_SECONDS = 0.5


def answers_of(folder: Path, images: Sequence[Path], classes: Sequence[str]) -> Generator[Json, None, np.ndarray]:
    """float64 [images, classes] from the bundle in `folder`, in a process that knows nothing of Thaw. Closing ends
    it."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "result.csv"
        with open(Path(temporary) / "errors", "w+b") as errors:
            code = yield from _finished(
                [sys.executable, "-I", "predict.py", *map(str, images), "--out", str(out)], folder, errors.fileno()
            )
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
        if code:
            reason = said.splitlines()[-1] if said else f"exit code {code}"
            raise RunError(
                f"The bundle's predict.py does not run here ({reason[:300]}), so nothing was exported. Please report "
                f"it."
            )
        table = read_result(out)
    if broken := [error for error in table["error"] if error]:
        raise RunError(
            f"The bundle's predict.py cannot read an image of the dataset ({broken[0][:300]}), so nothing was exported."
        )
    return table[[PREFIX + name for name in classes]].to_numpy(dtype=np.float64)


def demand_equal(given: np.ndarray, expected: np.ndarray, allowed: float, what: str) -> float:
    """The largest difference; RunError when it is more than `allowed`, or not a number."""
    difference = float(np.abs(given - expected).max()) if given.shape == expected.shape else float("inf")
    if difference <= allowed:
        return difference
    raise RunError(
        f"The exported model does not answer as {what}: a probability differs by {difference:.2g} where {allowed:g} "
        f"is allowed. "
        "Nothing was exported. If no file of the run was changed by hand, this is a defect of Thaw; please report it."
    )


def _finished(command: list[str], folder: Path, stderr: int) -> Generator[Json, None, int]:
    """The exit code of `command`; closing the generator kills it."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        while True:
            yield {"event": "progress", "stage": "checking the bundle", "done": 0, "total": 1}
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
