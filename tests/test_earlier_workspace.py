"""A workspace that version 0.1 left opens as it was: datasets, runs, a comparison, jobs, an import, a run to resume.

The fixture was made by that version, without images of other people: 30 small pictures of noise in three classes,
a comparison of two strategies with two seeds, every job once, a version of the dataset, and a run that was ended after
two of six epochs. Kept activations, pixels and whole models are left out of it.
"""

import json
import tarfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.cli.main import main
from engine.jobs import embedding_files, forecast_files
from engine.runs.run_files import read_origin
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from tests.pages import prepared

CLASSES = ["=fox", 'cat, "big"', "개"]
COMPARISON, DATASET, INTERRUPTED = "comparison-a7c0eb2dfc", "dataset-bd00a63e7e", "run-432668c3a7"
RUN = "run-179977e978"
"""Finished; the one that every job was about."""


@pytest.fixture
def earlier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("THAW_ISOLATION", "thread")
    with tarfile.open(Path(__file__).parent / "fixtures" / "workspace_0_1.tar.xz") as archive:
        archive.extractall(workspace.root, filter="data")
    return workspace


def text_of(page: AppTest) -> str:
    """What a page says, outside tables and figures; the marks that keep names from being Markdown taken away."""
    kinds = ("markdown", "caption", "success", "info", "warning", "error", "button", "expander", "selectbox")
    said = [str(getattr(element, "value", "")) + element.label for kind in kinds[6:] for element in page.get(kind)]
    said += [element.value for kind in kinds[:6] for element in page.get(kind)]
    return "\n".join(said).replace("\\", "")


def rows(capsys: pytest.CaptureFixture[str], *command: str) -> list[dict]:
    assert main([*command, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_line_lists_what_is_there(earlier: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    datasets = rows(capsys, "datasets")
    assert {row["name"] for row in datasets} == {"작은 사진", "둘째 판"}
    runs = {row["run"]: row for row in rows(capsys, "runs")}
    assert len(runs) == 6 and runs[INTERRUPTED]["status"] == "interrupted"
    assert [row["comparison"] for row in rows(capsys, "comparisons")] == [COMPARISON]
    assert main(["compare", "--show", COMPARISON]) == 0
    said = capsys.readouterr().out
    assert "Validation chose linear_probe: 33.3 % on validation, 33.3 % on 6 test images." in said
    assert "not shown to be better than guessing" in said
    assert main(["audit", RUN]) == 0


def test_an_interrupted_run_goes_on_where_it_stood(earlier: Workspace) -> None:
    store = RunStore(earlier)
    before, computed = store.epochs(INTERRUPTED), read_origin(earlier.run(INTERRUPTED)).precision
    assert main(["resume", INTERRUPTED]) == 0
    after = store.epochs(INTERRUPTED)
    assert store.get(INTERRUPTED).status == "finished"
    assert len(before) == 2 and len(after) == 6 and after[0] == before[0], "its checkpoint is of the first epoch"
    assert (earlier.run(INTERRUPTED) / "result.csv").is_file()
    assert read_origin(earlier.run(INTERRUPTED)).precision == computed == "fp32", "as it began"


@pytest.mark.parametrize(
    ("page", "query", "shown"),
    [
        ("dataset", {"dataset": DATASET}, "30 images"),
        ("dataset", {}, "Discard"),
        ("configure", {"dataset": DATASET}, "Compare all 80 backbones"),
        ("monitor", {"run": INTERRUPTED}, "Resume"),
        ("monitor", {"run": RUN}, "bias_norm"),
        ("compare", {"comparison": COMPARISON}, "Validation chose linear_probe"),
        ("predictions", {"run": RUN}, "Right for"),
    ],
)
def test_every_page_opens(earlier: Workspace, page: str, query: dict[str, str], shown: str) -> None:
    opened = prepared.page(page, **query)
    assert not opened.exception
    assert shown in text_of(opened), text_of(opened)


def test_what_jobs_found_is_read(earlier: Workspace) -> None:
    run = RunStore(earlier).get(RUN)
    assert embedding_files.read(earlier, RUN).nearest.shape == (30, 5)
    assert forecast_files.forecast_of(earlier, run.config) is not None
    assert {job.kind for job in JobStore(earlier).list() if job.status == "finished"} >= {
        "embedding", "explain", "predict", "probe", "learning_rates", "forecast"
    }  # fmt: skip
