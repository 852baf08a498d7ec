"""Formats: every form in which a bundle holds its model, as one record each; loads without torch.

Not here: how a form is written and checked (script, onnx_file), what else is in a bundle (card).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.events import Progress
from engine.models.sources.source import source_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from engine.jobs.bundle.specimens import Specimens
    from engine.jobs.trained import Trained


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained run, and what this program answers for a few images."""

    trained: Trained
    """On the CPU in float32."""
    specimens: Specimens
    images: Tensor
    """The specimens as the model sees them, float32 [N, 3, H, W]."""
    probabilities: np.ndarray
    """What this program answers, [N, classes]."""


class Writer(Protocol):
    """One form; a module of these functions will do."""

    def write(self, subject: Subject, folder: Path) -> None:
        """Write the files of the form to `folder`. BackboneError when this model cannot be written in it."""

    def check(self, subject: Subject, folder: Path) -> Generator[Progress, None, str]:
        """Yields progress; a sentence on what was compared. RunError when the files answer otherwise."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form, without its writer."""

    name: str
    files: Mapping[str, str]
    """What each file is for; the first holds the model. `{needs}` stands for the packages that run it."""
    packages: tuple[str, ...] = ()
    """Beyond the runtime dependencies."""
    remedy: str = ""
    """The command that installs them."""
    writer: Callable[[], Writer]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if find_spec(name) is None)


def _script() -> Writer:
    from engine.jobs.bundle import script

    return script


def _onnx() -> Writer:
    from engine.jobs.bundle import onnx_file

    return onnx_file


FORMATS = (
    Format(
        name="the bundle",
        files={
            "model.safetensors": "the weights under the model's own names",
            "model.json": "backbone, classes and how images are prepared",
            "predict.py": "classifies images and folders; needs {needs} only",
            "MODEL_CARD.md": "data, metrics, strategy and licence of the weights; LICENSES.md names and links them",
        },
        writer=_script,
    ),
    Format(
        name="ONNX",
        files={"model.onnx": "for other runtimes, where `onnx` is installed"},
        packages=("onnx", "onnxscript", "onnxruntime"),
        remedy="pip install -r requirements-export.txt",
        writer=_onnx,
    ),
)
"""In the order in which they are made. A new form is an entry here and a module beside this one."""


def contents(backbone: str) -> dict[str, str]:
    """File -> what it is for, of a bundle with `backbone`."""
    return {file: text.format(needs=needed(backbone)) for form in FORMATS for file, text in form.files.items()}


def needed(backbone: str) -> str:
    """The packages that predict.py needs, in words."""
    *others, last = dict.fromkeys(("torch", "torchvision", *source_of(backbone).packages))
    return f"{', '.join(others)} and {last}"
