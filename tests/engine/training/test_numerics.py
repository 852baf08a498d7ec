"""What the processor has decides what is timed, the faster one is remembered for the user, and wishes are obeyed."""

import platform
from pathlib import Path

import pytest
import torch

from engine import devices
from engine.models.chain import Chain
from engine.training import numerics
from engine.workspace import Workspace, user_cache
from tests.engine.training.toy import SIDE, chain

CPU = torch.device("cpu")


def choose(wanted: str, place: torch.device = CPU) -> numerics.Numerics:
    return numerics.choose(chain(), wanted, place, side=SIDE)


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has bf16."""
    monkeypatch.setattr(devices, "computes_bf16", lambda: True)


def test_auto_takes_what_was_faster_and_remembers_it_for_the_user(
    workspace: Workspace, bf16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [{"fp32": 2.0, "bf16": 1.5, "bf16 channels-last": 1.0}]
    monkeypatch.setattr(numerics, "time_formats", lambda *_: answers.pop())
    first = choose("auto")
    assert first.dtype is torch.bfloat16 and first.memory_format is torch.channels_last
    assert choose("auto") == first, "it must not be timed again"
    assert "bf16 channels-last" in (user_cache() / "number_formats.json").read_text()
    assert not any(workspace.catalog.iterdir()), "it belongs to the machine, not to a workspace"


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 2}'])
def test_a_damaged_memory_costs_a_measurement(workspace: Workspace, content: str) -> None:
    path = user_cache() / "number_formats.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert choose("auto").name.removesuffix(" fused") in numerics.candidates()


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        ({"fp32": 1.1, "bf16": 1.0, "fp32 channels-last": 1.08}, "fp32"),
        ({"fp32": 1.1, "bf16": 1.0, "fp32 channels-last": 1.0}, "fp32 channels-last"),
        ({"fp32": 3.0, "bf16": 1.0, "fp32 channels-last": 1.0}, "fp32 channels-last"),
        ({"fp32": 3.0, "bf16": 1.0, "fp32 channels-last": 2.0}, "bf16"),
    ],
)
def test_coarser_numbers_have_to_be_worth_it(seconds: dict[str, float], wanted: str) -> None:
    assert numerics.fastest(seconds) == wanted


def test_a_wish_is_obeyed_without_measuring(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "time_formats", lambda *_: pytest.fail("measured"))
    assert choose("bf16").dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("machine", "wanted", "name"),
    [("x86_64", "fp32", "fp32 fused"), ("x86_64", "bf16", "bf16"), ("aarch64", "fp32", "fp32")],
)
def test_layers_are_fused_where_that_is_known_to_pay(
    machine: str, wanted: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert choose(wanted) == numerics.numerics(name, CPU) and choose(wanted).fused is name.endswith("fused")


@pytest.mark.parametrize("layout", ["", " channels-last"])
def test_a_recorded_name_says_everything(layout: str) -> None:
    """A run of an earlier version knew nothing of fused layers, and goes on without."""
    earlier, now = (numerics.numerics(f"fp32{layout}{fused}", CPU) for fused in ("", " fused"))
    assert earlier.memory_format is now.memory_format is (torch.channels_last if layout else torch.contiguous_format)
    assert now.fused and not earlier.fused and now.dtype is earlier.dtype is None
    model = chain()
    for chosen in (now, earlier):
        numerics.lay_out(model, chosen)
        assert model.fuses is chosen.fused


def test_measuring_leaves_the_model_as_it_was(bf16: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "SECONDS", 600.0)
    made = chain()
    before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
    seconds = numerics.time_formats(made, CPU, SIDE)
    assert set(seconds) == set(numerics.candidates()) and len(seconds) == 4 and min(seconds.values()) > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in made.model.state_dict().items())
    assert made.model.conv1.weight.is_contiguous() and not made.model.training


def test_no_format_is_run_that_the_processor_emulates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "SECONDS", 600.0)
    monkeypatch.setattr(devices, "computes_bf16", lambda: False)
    assert set(numerics.time_formats(chain(), CPU, SIDE)) == {"fp32", "fp32 channels-last"}


class Clock:
    """Time as the passes take it: `spent` seconds an image by number format and layout."""

    def __init__(self, spent: dict[str, float]) -> None:
        self.now, self.spent, self.passes = 0.0, spent, []

    def perf_counter(self) -> float:
        return self.now

    def work(self, made: Chain, inputs: torch.Tensor) -> None:
        layout = inputs.is_contiguous(memory_format=torch.channels_last)
        name = ("bf16" if torch.is_autocast_enabled("cpu") else "fp32") + " channels-last" * layout
        self.passes.append((len(inputs), name))
        self.now += len(inputs) * self.spent[name]


def timed(spent: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, float], Clock]:
    clock = Clock(spent)
    monkeypatch.setattr(numerics.time, "perf_counter", clock.perf_counter)
    for work in ("_step", "_forward"):
        monkeypatch.setattr(numerics, work, clock.work)
    return numerics.time_formats(chain(), CPU, SIDE), clock


def test_a_loser_is_dropped_after_one_image_and_time_ends_it(bf16: None, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"bf16": 0.09, "bf16 channels-last": 0.09}
    _, clock = timed({"fp32": 0.01, "fp32 channels-last": 0.01, **slow}, monkeypatch)
    assert {name for images, name in clock.passes if images > 1} == {"fp32", "fp32 channels-last"}
    ended, clock = timed({"fp32": 3.0, "fp32 channels-last": 3.0, **slow}, monkeypatch)
    assert ended == {"fp32": 3.0} and len(clock.passes) == 1


def test_layouts_are_compared_on_several_images_where_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single image can favour the layout that loses on a batch."""
    monkeypatch.setattr(devices, "computes_bf16", lambda: False)
    seconds, clock = timed({"fp32": 0.04, "fp32 channels-last": 0.03}, monkeypatch)
    assert seconds == pytest.approx({"fp32": 0.16, "fp32 channels-last": 0.12}) and clock.now < numerics.SECONDS + 0.2
    seconds, clock = timed({"fp32": 0.4, "fp32 channels-last": 0.3}, monkeypatch)
    assert seconds == pytest.approx({"fp32": 0.4, "fp32 channels-last": 0.3})
    assert {images for images, _ in clock.passes} == {1}


@pytest.mark.parametrize(
    ("cpuinfo", "isa", "native"),
    [
        ("flags\t\t: fpu avx2 avx512f", None, False),
        ("flags\t\t: fpu avx512_bf16 avx2", None, True),
        ("flags\t\t: fpu amx_bf16 avx2", "AVX2", False),
        ("flags\t\t: fpu amx_bf16 avx2", "AVX512_CORE_BF16", True),
        ("Features\t: fp asimd bf16", None, True),
        ("model name\t: bf16", None, False),
    ],
)
def test_the_processor_is_asked_what_it_has(
    cpuinfo: str, isa: str | None, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_read_cpuinfo", cpuinfo.splitlines)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if isa:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    assert devices.computes_bf16() is native
