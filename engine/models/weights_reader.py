"""Weights reader: an untrusted .pth, .pt or .safetensors of a user becomes named tensors, or one clear sentence.

Content decides, never the file name; nothing is ever unpickled beyond tensors. Run it in the child process: a small
file can crash the parser. Not here: whether the tensors fit a backbone.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import WeightsError
from engine.models.weights_store import BroughtWeights, record_weights, weights_path
from engine.workspace import Workspace, atomic_path, new_id

WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "model.")
_MAX_UNPACKED = 4
"""Tensors may be this many times larger than their file; more is a bomb, for weights do not compress."""
_REMEDY = "Save the tensors with torch.save(model.state_dict(), 'weights.pth') and bring that file."


def bring(workspace: Workspace, path: Path, original_name: str) -> str:
    """Read, check and store the weights file at `path`; returns its id. `original_name` is for people only."""
    state = read_state(path, original_name)
    _demand_finite(state, original_name)
    weights_id = new_id("weights")
    stored = weights_path(workspace, weights_id)
    with atomic_path(stored) as temporary:  # cloned, for tensors may be tied
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, temporary)
    size, now = stored.stat().st_size, datetime.now(UTC).isoformat(timespec="microseconds")
    record_weights(
        workspace, BroughtWeights(id=weights_id, name=original_name, tensors=len(state), bytes=size, created_at=now)
    )
    return weights_id


def read_state(path: Path, name: str = "") -> dict[str, Tensor]:
    """Tensor name -> tensor on the CPU, floating-point ones as float32, wrappers and prefixes of other tools removed.

    `name` is what the person calls the file. WeightsError says what the file is instead, and what to do.
    """
    shown = (name or path.name)[:120]
    try:
        content = _read(path, shown)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise WeightsError(_unpickling(error, shown)) from error
    except Exception as error:  # ten kinds have been seen, down to UnicodeDecodeError
        raise WeightsError(f"{shown} is cut short or damaged and cannot be read. Copy or download it again.") from error
    state = _unprefixed(_named_tensors(content, shown))
    _demand_honest(state, path.stat().st_size, shown)
    plain = {name: tensor.detach() for name, tensor in state.items()}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in plain.items()}


def _demand_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Training from NaN or infinity would give nothing else."""
    broken = [key for key, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise WeightsError(
            f"{name[:120]} holds values that are not finite numbers, in {len(broken)} of {len(state)} tensors, such "
            f"as {broken[0][:80]}. The training that made it diverged; bring a checkpoint from before that."
        )


def _read(path: Path, name: str) -> object:
    with open(path, "rb") as file:
        start = file.read(512)
    if start[:4] == b"PK\x03\x04":
        _demand_torch_archive(path, name)
    elif start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100 << 20:
        return load_file(path)
    elif start[:1] != b"\x80":  # every other file that torch.save writes is a pickle of protocol 2 or later
        raise WeightsError(_what_instead(start, name))
    with open(path, "rb") as file:  # a file, because for a path torch.load goes by its name
        return torch.load(file, map_location="cpu", weights_only=True)


def _what_instead(start: bytes, name: str) -> str:
    text = start.lstrip().lower()
    if not start:
        return f"{name} is empty. Copy or download it again."
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"{name} is a web page, not weights. Open the link in a browser and save the file itself."
    if text.startswith(b"version https://git-lfs"):
        return f"{name} is a Git LFS pointer, not the weights. Fetch the file itself with: git lfs pull."
    return f"{name} is not a weights file (.pth, .pt or .safetensors). {_REMEDY}"


def _demand_torch_archive(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
    leaves = {record.filename.rpartition("/")[2] for record in records}
    if "constants.pkl" in leaves or "archive_format" in leaves:
        raise WeightsError(f"{name} is a compiled program (TorchScript or an export), not weights. {_REMEDY}")
    if "data.pkl" not in leaves:
        raise WeightsError(f"{name} is a zip archive without weights. Images are brought on the Dataset page.")
    if sum(record.file_size for record in records) > _MAX_UNPACKED * path.stat().st_size:
        raise WeightsError(f"{name} would unpack to many times its size, which weights never do. {_REMEDY}")


def _unpickling(error: pickle.UnpicklingError, name: str) -> str:
    """torch's own message advises to trust the file; ours never does."""
    if match := re.search(r"(?:GLOBAL|global:?|class) ([A-Za-z_][\w.]*\.\w+)", str(error)):
        return (
            f"{name} holds a whole Python object ({match[1][:80]}), which could run any program when opened, so "
            f"it is refused. {_REMEDY}"
        )
    return f"{name} is not a file of tensors as torch.save writes it, or it is damaged. {_REMEDY}"


def _named_tensors(content: object, name: str) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        what = "an empty table" if isinstance(content, Mapping) else f"a single {type(content).__name__}"
        raise WeightsError(f"{name} holds {what} rather than named tensors. {_REMEDY}")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{name} holds {str(key)[:80]!r} of type {type(value).__name__} among its tensors, "
                f"and no table of tensors called {', '.join(WRAPPERS)}. {_REMEDY}"
            )
    return dict(content)


def _unprefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel, torch.compile and Lightning put before every name."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _unprefixed({name.removeprefix(prefix): tensor for name, tensor in state.items()})
    return state


def _demand_honest(state: Mapping[str, Tensor], file_bytes: int, name: str) -> None:
    """Refuse, before anything touches their values, tensors that are no plain numbers or claim more of them than the
    file holds."""
    for key, tensor in state.items():
        odd = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex()
        if odd or tensor.device.type != "cpu":
            raise WeightsError(
                f"{name} holds {key[:80]}, which is not a plain tensor of real numbers (sparse, quantised or empty). "
                f"{_REMEDY}"
            )
    claimed = sum(tensor.nbytes for tensor in state.values())
    if claimed > _MAX_UNPACKED * file_bytes:
        raise WeightsError(
            f"{name} claims tensors of {claimed} bytes in a file of {file_bytes}, which no weights do. {_REMEDY}"
        )
