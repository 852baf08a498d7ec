"""Weights reader: an untrusted .pth, .pt or .safetensors of a user becomes named tensors, or one clear sentence.

Content decides, never the file name; nothing is ever unpickled beyond tensors, and stand-ins take the place of the
rest. Run it in the child process: a small file can crash the parser. Not here: whether the tensors fit a backbone.
"""

import pickle
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from engine.errors import WeightsError
from engine.models.class_names import class_names
from engine.models.pickle_scan import Scan, scan_file
from engine.models.quoting import quoted

_MAX_UNPACKED = 4
"""Tensors may be this many times larger than their file; more is a bomb, for weights do not compress."""
_MAX_TENSORS, _MAX_NAME, _MAX_DEPTH = 20_000, 300, 12
_REMEDY = "Save the tensors with torch.save(model.state_dict(), 'weights.pth') and bring that file."
_one_at_a_time = threading.Lock()
"""What torch takes for safe is one list for the whole process."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What was read of a file: every tensor, whichever of its tables it lies in."""

    tensors: Mapping[str, Tensor]
    """By the path to it, with dots: `state_dict.layer1.0.conv1.weight`. On the CPU, floating-point ones float32."""
    classes: tuple[tuple[str, ...], ...] = ()
    """Lists in the file that look like class names, in the order of the outputs."""


def read_contents(path: Path, name: str = "") -> Contents:
    """Everything in the file at `path` that a model could start from.

    `name` is what the person calls the file. WeightsError says what the file is instead, and what to do.
    """
    shown = quoted(name or path.name, 120)
    try:
        content, scan = _read(path, shown)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise WeightsError(_unpickling(error, shown)) from error
    except Exception as error:  # ten kinds have been seen, down to UnicodeDecodeError
        raise WeightsError(f"{shown} is cut short or damaged and cannot be read. Copy or download it again.") from error
    tensors = _named_tensors(content, shown, scan)
    _demand_honest(tensors, path.stat().st_size, shown)
    plain = {name: tensor.detach() for name, tensor in tensors.items()}
    return Contents(
        tensors={name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in plain.items()},
        classes=class_names(content),
    )


def read_state(path: Path, name: str = "") -> Mapping[str, Tensor]:
    """The tensors of `read_contents`."""
    return read_contents(path, name).tensors


def _read(path: Path, name: str) -> tuple[object, Scan]:
    with open(path, "rb") as file:
        start = file.read(512)
    if start[:4] == b"PK\x03\x04":
        _demand_torch_archive(path, name)
    elif start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100 << 20:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
        return {"": load_file(path), "metadata": metadata}, Scan()
    elif start[:1] != b"\x80":  # every other file that torch.save writes is a pickle of protocol 2 or later
        raise WeightsError(_what_instead(start, name))
    scan = scan_file(path, name)
    with open(path, "rb") as file, _one_at_a_time, safe_globals(scan.stand_ins()):
        return torch.load(file, map_location="cpu", weights_only=True), scan  # a file: a path would go by its name


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
        return _whole_object(match[1], name)
    return f"{name} is not a file of tensors as torch.save writes it, or it is damaged. {_REMEDY}"


def _whole_object(kind: str, name: str) -> str:
    return (
        f"{name} holds a whole Python object ({quoted(kind)}), which could run any program when opened, so it is "
        f"refused. {_REMEDY}"
    )


def _named_tensors(content: object, name: str, scan: Scan) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for path, tensor in _walk(content, "", seen=set()):
        _demand_name(path, name)
        tensors[path] = tensor
        if len(tensors) > _MAX_TENSORS:
            raise WeightsError(f"{name} holds more than {_MAX_TENSORS} tensors, which no weights do. {_REMEDY}")
    if not tensors and scan.objects():
        raise WeightsError(_whole_object(scan.objects()[0], name))
    if not tensors:
        what = "no tensor with a name" if isinstance(content, Mapping) and content else "an empty table"
        what = what if isinstance(content, Mapping) else f"a single {type(content).__name__}"
        raise WeightsError(f"{name} holds {what} rather than named tensors. {_REMEDY}")
    return tensors


def _walk(content: object, path: str, *, seen: set[int], depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that only names and places in lists lead to; the state of an optimizer is numbered by parameter."""
    if id(content) in seen or depth > _MAX_DEPTH:
        return
    seen.add(id(content))
    if isinstance(content, Mapping):
        inner = [(key, value) for key, value in content.items() if isinstance(key, str)]
    elif isinstance(content, list | tuple):
        inner = [(str(place), value) for place, value in enumerate(content) if isinstance(value, Mapping)]
    else:
        return
    for key, value in inner:
        below = f"{path}.{key}" if path and key else path or key
        if isinstance(value, Tensor):
            yield below, value
        else:
            yield from _walk(value, below, seen=seen, depth=depth + 1)


def _demand_name(path: str, name: str) -> None:
    if len(path) > _MAX_NAME or path.encode("utf-8", "replace").decode() != path:
        raise WeightsError(f"{name} calls a tensor {quoted(path)}, which is no name that a program gives. {_REMEDY}")


def _demand_honest(state: Mapping[str, Tensor], file_bytes: int, name: str) -> None:
    """Refuse, before anything touches their values, tensors that are no plain numbers or claim more of them than the
    file holds."""
    for key, tensor in state.items():
        odd = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex()
        if odd or tensor.device.type != "cpu":
            raise WeightsError(
                f"{name} holds {quoted(key)}, which is not a plain tensor of real numbers (sparse, quantised or "
                f"empty). {_REMEDY}"
            )
    claimed = sum({(tensor.data_ptr(), tensor.shape): tensor.nbytes for tensor in state.values()}.values())
    if claimed > _MAX_UNPACKED * file_bytes:
        raise WeightsError(
            f"{name} claims tensors of {claimed} bytes in a file of {file_bytes}, which no weights do. {_REMEDY}"
        )
