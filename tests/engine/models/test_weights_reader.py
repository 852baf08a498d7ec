"""Every kind of weights file people bring is read for what it is, and everything else is refused in one sentence."""

import argparse
import functools
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.models import weights_reader
from engine.models.weights_reader import read_contents, read_state

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2), "steps": torch.tensor(7)}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload.bin"


def same(state: Mapping[str, Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)


class Attributes(dict[str, object]):
    """As some tools keep hyper-parameters."""


class Row(list[int]):
    pass


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (STATE, ""),
        (OrderedDict(STATE), ""),
        ({"state_dict": STATE, "epoch": 3, "arch": "resnet18"}, "state_dict."),
        ({"model": {"inner": OrderedDict(STATE)}, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}, "model.inner."),
        ([STATE, {"state": {0: {"m": torch.ones(2)}}}], "0."),
        ({name: nn.Parameter(t) if t.is_floating_point() else t for name, t in STATE.items()}, ""),
        (
            {"state_dict": STATE, "args": argparse.Namespace(out=Path("a"), deep=[{"x": Path("b")}])},
            "state_dict.",
        ),
        ({"state_dict": STATE, "best": np.float64(0.5), "curve": np.arange(3), "type": np.dtype("f4")}, "state_dict."),
        ({"state_dict": STATE, "at": datetime(2020, 1, 1, tzinfo=UTC), "took": timedelta(1)}, "state_dict."),
        ({"state_dict": STATE, "cfg": SimpleNamespace(a=1), "hyper": Attributes(lr=1), "row": Row([1])}, "state_dict."),
        (Attributes(state_dict=STATE), "state_dict."),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_tools_write(upload: Path, content: object, path: str, zipped: bool) -> None:
    torch.save(content, upload, _use_new_zipfile_serialization=zipped)
    state = read_state(upload)
    assert same({name.removeprefix(path): tensor for name, tensor in state.items()})
    assert all(name.startswith(path) for name in state)


def test_a_table_that_two_names_lead_to_is_read_once_and_one_that_leads_to_itself_ends(upload: Path) -> None:
    content: dict[str, object] = {"a": STATE, "b": STATE}
    content["again"] = content
    torch.save(content, upload)
    assert len(read_state(upload)) == len(STATE)


def test_reads_old_pickles_and_safetensors_whatever_they_are_called(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.safetensors", _use_new_zipfile_serialization=False)
    save_file(STATE, tmp_path / "new.pth")
    assert same(read_state(tmp_path / "old.safetensors")) and same(read_state(tmp_path / "new.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_becomes_single(upload: Path, dtype: torch.dtype) -> None:
    torch.save({name: t.to(dtype) if t.is_floating_point() else t for name, t in STATE.items()}, upload)
    state = read_state(upload)
    assert same(state) and state["conv.weight"].dtype == torch.float32 and state["steps"].dtype == torch.int64


class Called:
    """Calls a function of somebody else's code when it is opened."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return deepest, (1000,)


def deepest(depth: int) -> NoReturn:
    raise AssertionError("a function that a file names was called")


def test_nothing_of_other_peoples_code_is_called_either(upload: Path) -> None:
    torch.save({"state_dict": STATE, "x": Called(), "y": functools.partial(deepest, 1)}, upload)
    assert len(read_state(upload)) == len(STATE)


def nested(levels: int, copies: int) -> object:
    value: object = ("a", "a")
    for _ in range(levels):
        value = (value,) * copies
    return value


@pytest.mark.parametrize("content", [nested(28, 2), nested(5000, 1)], ids=["wide", "deep"])
def test_what_would_take_for_ever_is_refused_before_it_is_read(upload: Path, content: object) -> None:
    """Pickled by hand: reading it back is what must not be tried."""
    with zipfile.ZipFile(upload, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02" + tuples(content) + b".")
    with pytest.raises(WeightsError, match="would not end"):
        read_state(upload)


def tuples(content: object) -> bytes:
    depth, code = 0, b"X\x01\x00\x00\x00aq\x00"
    while isinstance(content, tuple):
        code += (b"h\x00\x86" if len(content) == 2 else b"\x85") + b"q\x00"
        content, depth = content[0], depth + 1
    return code


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.marker),)


def archive(path: Path, records: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in records.items():
            file.writestr(name, content)


def halved(path: Path, save: Callable[..., object] = torch.save, **options: bool) -> None:
    save({"w": torch.rand(1000)}, path, **options)
    path.write_bytes(path.read_bytes()[:-500])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "whole model": (
        lambda p: torch.save(nn.Sequential(nn.Linear(2, 2)), p),
        r"whole Python object \(torch\.nn\.modules\.\w+\.Sequential\)",
    ),
    "web page": (lambda p: p.write_text("\n<!DOCTYPE html><html>Sign in</html>"), "is a web page"),
    "lfs pointer": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a"),
        "git lfs pull",
    ),
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "image": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "is not a weights file"),
    "cut zip": (halved, "cut short or damaged"),
    "cut safetensors": (lambda p: halved(p, save_file), "cut short or damaged"),
    "cut pickle": (lambda p: halved(p, _use_new_zipfile_serialization=False), "cut short or damaged"),
    "dataset": (lambda p: archive(p, {"cats/1.jpg": b"x"}), "Dataset page"),
    "torchscript": (lambda p: archive(p, {"a/data.pkl": b"x", "a/constants.pkl": b"x"}), "compiled program"),
    "bomb": (lambda p: archive(p, {"a/data.pkl": bytes(10_000_000)}), "unpack to many times its size"),
    "single tensor": (lambda p: torch.save(torch.ones(3), p), "a single Tensor rather than named tensors"),
    "empty table": (lambda p: torch.save({}, p), "an empty table"),
    "no table of tensors": (lambda p: torch.save({"epoch": 3, "net": [1]}, p), "no tensor with a name"),
    "numbered tensors": (lambda p: torch.save({0: torch.ones(1)}, p), "no tensor with a name"),
    "long name": (lambda p: torch.save({"a" * 400: torch.ones(1)}, p), "no name that a program gives"),
    "half a letter": (lambda p: torch.save({"a\ud800": torch.ones(1)}, p), "no name that a program gives"),
    "bytes by number": (lambda p: torch.save({"w": torch.ones(1), "x": bytearray(3)}, p), r"\(builtins\.bytearray\)"),
    "sparse": (lambda p: torch.save({"w": torch.ones(2, 2).to_sparse()}, p), "not a plain tensor"),
    "complex": (lambda p: torch.save({"w": torch.ones(2, dtype=torch.complex64)}, p), "not a plain tensor"),
    "meta": (lambda p: torch.save({"w": torch.ones(2, device="meta")}, p), "not a plain tensor"),
    "endless view": (lambda p: torch.save({"w": torch.ones(1).expand(2**50)}, p), "claims tensors of"),
}


@pytest.mark.parametrize("make, message", BAD.values(), ids=BAD.keys())
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns about sparse invariants
def test_anything_else_is_one_sentence(upload: Path, make: Callable[[Path], object], message: str) -> None:
    make(upload)
    with pytest.raises(WeightsError, match=message) as caught:
        read_state(upload, "mine.pth")
    text = str(caught.value)
    assert text.startswith("mine.pth ") and text.endswith(".") and "\n" not in text
    assert "weights_only" not in text and "Traceback" not in text


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("force", [None, "1"])
def test_nothing_in_a_file_is_ever_run(
    tmp_path: Path, upload: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, force: str | None
) -> None:
    if force:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", force)
    marker = tmp_path / "marker"
    content = {"w": torch.ones(2), "x": Evil(marker)}
    for zipped in (True, False):
        torch.save(content, upload, _use_new_zipfile_serialization=zipped, pickle_protocol=max(2, protocol))
        with pytest.raises(WeightsError, match=r"could run any program|not a file of tensors as torch\.save writes it"):
            read_state(upload)
    upload.write_bytes(pickle.dumps(Evil(marker), protocol))
    with pytest.raises(WeightsError):
        read_state(upload)
    assert not marker.exists()


def test_the_source_never_asks_for_more_than_tensors() -> None:
    source = Path(weights_reader.__file__).read_text()
    assert "weights_only=True" in source and "weights_only=False" not in source and "pickle.load" not in source


@pytest.mark.parametrize(
    "said",
    [
        {"classes": ["cat", "dog"]},
        {"meta": {"categories": ("cat", "dog")}},
        {"class_to_idx": {"dog": 1, "cat": 0}},
        {"hyper": {"idx_to_class": {1: "dog", 0: "cat"}}},
        {"id2label": {"0": "cat", "1": "dog"}},
    ],
)
def test_class_names_are_found_in_the_order_of_the_outputs(upload: Path, said: dict[str, object]) -> None:
    torch.save({"state_dict": STATE, "labels": [1, 2], "names": ["twice", "twice"], **said}, upload)
    assert read_contents(upload).classes == (("cat", "dog"),)


def test_class_names_stand_in_the_metadata_of_safetensors_too(upload: Path) -> None:
    save_file(STATE, upload, metadata={"classes": '["고양이", "dog"]'})
    assert read_contents(upload).classes == (("고양이", "dog"),)
