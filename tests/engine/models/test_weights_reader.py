"""Every kind of weights file people bring is read for what it is, and everything else is refused in one sentence."""

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.errors import EngineError, WeightsError
from engine.models import weights_reader, weights_store
from engine.models.weights_reader import bring, read_state
from engine.workspace import Workspace

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2), "steps": torch.tensor(7)}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload.bin"


def same(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"state_dict": STATE, "epoch": 3, "arch": "resnet18"},
        {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}, "lr": 0.1}},
        {"model": OrderedDict(STATE), "args": {"lr": 0.1}},
        prefixed("module."),
        {"state_dict": prefixed("model.")},
        prefixed("_orig_mod.module."),
        {name: nn.Parameter(tensor) if tensor.is_floating_point() else tensor for name, tensor in STATE.items()},
    ],
)
def test_reads_what_tools_write(upload: Path, content: object) -> None:
    torch.save(content, upload)
    assert same(read_state(upload))


def test_reads_old_pickles_and_safetensors_whatever_they_are_called(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.safetensors", _use_new_zipfile_serialization=False)
    save_file(STATE, tmp_path / "new.pth")
    assert same(read_state(tmp_path / "old.safetensors")) and same(read_state(tmp_path / "new.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_becomes_single(upload: Path, dtype: torch.dtype) -> None:
    torch.save({name: t.to(dtype) if t.is_floating_point() else t for name, t in STATE.items()}, upload)
    state = read_state(upload)
    assert same(state) and state["conv.weight"].dtype == torch.float32 and state["steps"].dtype == torch.int64


def test_a_prefix_is_only_removed_when_every_name_has_it(upload: Path) -> None:
    torch.save({"model.a": torch.ones(1), "fc": torch.ones(1)}, upload)
    assert set(read_state(upload)) == {"model.a", "fc"}


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
    "no table we know": (lambda p: torch.save({"epoch": 3, "net": STATE}, p), "'epoch' of type int among its tensors"),
    "stray text": (lambda p: torch.save({**STATE, "arch": "resnet18"}, p), "'arch' of type str among its tensors"),
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


def test_brought_weights_are_stored_and_listed_under_their_own_name(workspace: Workspace, upload: Path) -> None:
    tied = torch.ones(3)
    torch.save({**STATE, "a": tied, "b": tied, "turned": torch.rand(3, 2).T}, upload)
    first = bring(workspace, upload, "../가중치 <b>.pth")
    second = bring(workspace, upload, "other.pth")
    listed = weights_store.list_weights(workspace)
    assert [entry.id for entry in listed] == [second, first]
    assert listed[1].name == "../가중치 <b>.pth" and listed[1].tensors == 6
    path = weights_store.weights_path(workspace, first)
    assert path.parent == workspace.weights and listed[1].bytes == path.stat().st_size
    assert torch.equal(load_file(path)["conv.weight"], STATE["conv.weight"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(workspace: Workspace, upload: Path, value: float) -> None:
    torch.save({**STATE, "fc.weight": torch.tensor([1.0, value])}, upload)
    with pytest.raises(WeightsError, match=r"mine\.pth holds .* not finite .*, in 1 of 4 tensors, such as fc\.weight"):
        bring(workspace, upload, "mine.pth")
    assert list(workspace.weights.iterdir()) == []


def test_unknown_weights_name_those_there_are(workspace: Workspace, upload: Path) -> None:
    torch.save(STATE, upload)
    with pytest.raises(WeightsError, match=bring(workspace, upload, "mine.pth")):
        weights_store.open_weights(workspace, "weights-00000000ff")
    with pytest.raises(EngineError, match="is not an id"):
        weights_store.open_weights(workspace, "../../etc/passwd")


def test_the_source_never_asks_for_more_than_tensors() -> None:
    source = Path(weights_reader.__file__).read_text()
    assert "weights_only=True" in source and "weights_only=False" not in source and "pickle.load" not in source
