"""The forecast: its parts add up, what is shared is paid once, what does not fit is said, and nothing is left or
moved."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine import devices
from engine.config import to_json
from engine.errors import ConfigError
from engine.jobs import forecast, forecast_files
from engine.runconfig import RunConfig
from engine.runs.session import open_session
from engine.store.run_store import RunStore
from engine.training import audit
from engine.training.frozen.cuts import Slot
from engine.training.frozen.prefix import images_computed
from engine.workspace import Workspace
from tests.engine.jobs.running import run_job
from tests.engine.small_runs import Lab, value_of
from tests.pictures import make_dataset


@pytest.fixture
def config(workspace: Workspace, tmp_path: Path) -> RunConfig:
    lab = Lab(workspace=workspace, dataset=make_dataset(workspace, tmp_path / "pictures"))
    return lab.config(image_size=64, device="cpu", epochs=3, precision="auto")


def foretold(workspace: Workspace, *configs: RunConfig) -> dict:
    return run_job(workspace, "forecast", configs=[to_json(config) for config in configs])


def results_of(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the function of the forecast has given so far."""
    results: list[Any] = []
    real = getattr(forecast, name)
    monkeypatch.setattr(forecast, name, lambda *given: results.append(real(*given)) or results[-1])
    return results


def test_the_parts_add_up_and_what_is_shared_is_paid_once(workspace: Workspace, config: RunConfig) -> None:
    deeper = dataclasses.replace(config, strategy="last_block")
    found = foretold(workspace, config, deeper)
    probe, block = found["strategies"]
    assert (probe["strategy"], block["strategy"], found["problems"]) == ("linear_probe_steps", "last_block", [])
    runs = sum(row["epochs"] + row["validation"] + row["answers"] for row in found["strategies"])
    assert found["seconds"] == pytest.approx(runs + probe["fill_shared"] + block["fill_shared"])
    assert probe["fill_alone"] > 0 and 0 < found["cache_bytes"] <= 8e9 and probe["peak_memory_bytes"] > 0
    assert probe["trainable_parameters"] < block["trainable_parameters"]
    assert found["seconds"] == pytest.approx(sum(row["total"] for row in found["strategies"]))


def test_a_run_reads_where_another_one_wanted_a_cut(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With only a shallow cut of somebody else kept, a linear probe computes the rest itself; its forecast says so."""
    strategies = ("linear_probe_steps", "last_block", "last_stage", "gradual_unfreeze")

    def shallowest(wanted: Counter[Slot], *_: object, **__: object) -> tuple[Slot, ...]:
        return tuple(slot for slot in wanted if slot.cut == min(other.cut for other in wanted))

    monkeypatch.setattr(forecast, "worth_keeping", shallowest)
    queue = (dataclasses.replace(config, strategy=strategy) for strategy in strategies)
    together = foretold(workspace, *queue)["strategies"]
    assert [row["runs"] for row in together] == [1, 1, 1, 1] and all(row["epochs"] > 0 for row in together)


def test_seeds_of_one_strategy_are_timed_once_and_each_has_its_forecast(
    workspace: Workspace, config: RunConfig
) -> None:
    seeds = [dataclasses.replace(config, seed=seed, strategy="full_finetune") for seed in (0, 1, 2)]
    found = foretold(workspace, *seeds)
    assert [row["runs"] for row in found["strategies"]] == [3] and found["strategies"][0]["fill_alone"] == 0
    each = [forecast_files.forecast_of(workspace, one) for one in seeds]
    assert all(one is not None and one.seconds > 0 for one in each)
    assert sum(one.seconds for one in each if one) == pytest.approx(found["seconds"])
    assert forecast_files.forecast_of(workspace, dataclasses.replace(config, seed=9)) is None


def test_it_leaves_no_run_and_moves_no_weights(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[dict, dict]] = []

    def watched(session):
        before = {name: one.detach().clone() for name, one in session.training.parameters.items()}
        made = measure(session)
        seen.append((before, dict(session.training.parameters)))
        return made

    measure = forecast._measure
    monkeypatch.setattr(forecast, "_measure", watched)
    foretold(workspace, dataclasses.replace(config, strategy="gradual_unfreeze"))
    (before, after), *_ = seen
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert RunStore(workspace).list() == [] and not list(workspace.runs.iterdir())
    assert not list(workspace.incoming.iterdir()) and not list(workspace.features.glob("*"))


def test_the_model_it_used_starts_the_next_run_as_new(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    real = audit.digests
    monkeypatch.setattr(audit, "digests", lambda state: hashed.append(len(state)) or real(state))

    def opened() -> tuple[dict[str, torch.Tensor], Mapping[str, str]]:
        session = value_of(open_session(config, workspace, "cpu"))
        session.pixels.close()
        state = session.training.chain.model.state_dict()
        return {name: tensor.clone() for name, tensor in state.items()}, session.before.digests

    fresh, digests = opened()
    foretold(workspace, dataclasses.replace(config, strategy="full_finetune"))
    again, known = opened()
    assert all(torch.equal(fresh[name], again[name]) for name in fresh) and known == digests
    assert hashed[-1] == 2 < len(known), "the head alone is hashed again"


def test_a_batch_that_does_not_fit_is_said_with_its_parts(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(config, strategy="full_finetune")
    monkeypatch.setattr(devices, "memory_free", lambda device: 1 << 50)
    assert foretold(workspace, config)["problems"] == []
    monkeypatch.setattr(forecast, "_an_image", lambda session, images: 1_000_000)
    standing = 3 * 4 * 11_178_051  # gradients and two moments of a resnet18 with three classes, which is there already
    monkeypatch.setattr(devices, "memory_free", lambda device: standing + 3_000_000)
    (said,) = foretold(workspace, config)["problems"]
    assert "full_finetune does not fit into memory with batches of 8" in said and "in 4 parts" in said
    monkeypatch.setattr(devices, "memory_free", lambda device: 1000)
    (said,) = foretold(workspace, config)["problems"]
    assert "not even a single image" in said and "smaller image size" in said


def test_frozen_blocks_are_paid_for_as_many_images_as_they_compute(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at this clock is a second later, so each stretch of blocks takes one: for the 16 images that a CPU
    fills 8 up to."""
    ticks = itertools.count()
    monkeypatch.setattr(forecast, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    noted = results_of("_frozen", monkeypatch)
    foretold(workspace, config)
    ((measured, _),) = noted
    assert measured.costs[min(measured.costs)].seconds == 1 / 16


def test_only_a_cpu_fills_a_chunk_up() -> None:
    assert (images_computed(4, "cpu"), images_computed(4, "cuda")) == (16, 4)


def test_a_full_disk_is_said(workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "free_bytes", lambda folder: 1000)
    found = foretold(workspace, config)
    own, shared = found["problems"]
    assert "linear_probe_steps does not fit on the disk" in own and "Make room" in own
    assert "kept of the frozen part does not fit" in shared and found["cache_bytes"] == 0


def test_what_an_image_keeps_grows_with_what_trains(
    workspace: Workspace, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = results_of("_an_image", monkeypatch)
    foretold(workspace, config, dataclasses.replace(config, strategy="full_finetune"))
    assert 0 < sizes[0] < sizes[1]


def test_an_empty_queue_and_a_broken_file_are_no_surprise(workspace: Workspace, config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="no run to forecast"):
        foretold(workspace)
    kept = forecast_files.Forecast(seconds=1, peak_memory_bytes=2, trainable_parameters=3, cache_bytes=4)
    forecast_files.keep_forecast(workspace, config, kept)
    (file,) = (workspace.root / "forecasts").iterdir()
    assert forecast_files.forecast_of(workspace, config) == kept
    file.write_text("{")
    assert forecast_files.forecast_of(workspace, config) is None
    scratch = dataclasses.replace(config, weights="default", strategy="from_scratch")
    forecast_files.keep_forecast(workspace, scratch, kept)
    as_queued = dataclasses.replace(scratch, weights="none")
    assert forecast_files.forecast_of(workspace, as_queued) == kept
