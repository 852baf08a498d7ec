"""model.onnx: the same model for programs without PyTorch. Needs the packages of requirements-export.txt.

Input `images` float32 [batch, 3, height, width], normalised; output `probabilities` float32 [batch, classes].
"""

import warnings
from collections.abc import Generator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import BackboneError
from engine.events import Progress
from engine.jobs.bundle.equality import CONVERTED, demand_equal
from engine.jobs.bundle.formats import Subject

FILE = "model.onnx"
_ONE_FILE_BYTES = 1 << 30
"""A protobuf message ends at 2 GB; tensors of larger models lie beside it, in model.onnx.data."""


def write(subject: Subject, folder: Path) -> None:
    """model.onnx. BackboneError when PyTorch cannot convert the model."""
    model = subject.trained.chain.model
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the converter to itself
            torch.onnx.export(
                _Probabilities(model).eval(),
                (subject.images[:1].repeat(2, 1, 1, 1),),  # a batch of one would be taken for a constant
                folder / FILE,
                input_names=["images"],
                output_names=["probabilities"],
                dynamic_shapes={"images": {0: "batch"}},
                external_data=size > _ONE_FILE_BYTES,
                verbose=False,
                dynamo=True,
            )
    except Exception as error:  # the converter raises what its many passes raise
        first = (str(error).strip().splitlines() or [""])[0]
        raise BackboneError(f"PyTorch cannot convert it to ONNX ({type(error).__name__}: {first[:200]}).") from error


def check(subject: Subject, folder: Path) -> Generator[Progress, None, str]:
    """onnxruntime against this program."""
    yield Progress(stage="checking ONNX", done=0, total=1)
    difference = demand_equal(
        probabilities(folder / FILE, subject.images),
        subject.probabilities,
        allowed=CONVERTED,
        what="this program does, in onnxruntime,",
    )
    height, width = subject.images.shape[2:]
    return (
        f"{FILE} answers the same in onnxruntime: probabilities differ by at most {difference:.1e} (allowed "
        f"{CONVERTED:g}). It takes `images` [batch, 3, {height}, {width}] as predict.py prepares them and gives "
        f"`probabilities` [batch, classes]."
    )


def probabilities(path: Path, images: Tensor) -> np.ndarray:
    """float32 [N, classes] from onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (answers,) = session.run(None, {"images": images.numpy()})
    return np.asarray(answers)


class _Probabilities(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images)
        return logits.softmax(1)
