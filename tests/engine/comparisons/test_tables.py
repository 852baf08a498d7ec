"""The files of a comparison: one row a run and one row an image, safe in a spreadsheet, with what is said of how seeds
were merged."""

import io

import pandas as pd
import pytest

from engine.comparisons.comparison import arm
from engine.comparisons.tables import comparison_csv, result_csv
from engine.errors import RunError
from engine.evaluation import predictions
from engine.workspace import Workspace
from tests.engine.comparisons.compared import CLASSES, comparison, finish_all, runs_of

SHARES = {"linear_probe_steps": 0.5, "last_n": 0.8}


def read(content: bytes) -> pd.DataFrame:
    assert content.startswith(b"\xef\xbb\xbf") and b"\r\n" in content
    return pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype="str", keep_default_na=False)


def test_one_row_a_run_with_what_differs_and_hostile_names_disarmed(workspace: Workspace):
    made = comparison(
        workspace, arm("linear_probe_steps", seeds=2), arm("last_n", seeds=1, settings={"last_n": 3}), name="=1+1 꽃"
    )
    runs = finish_all(workspace, made, SHARES)
    table = read(comparison_csv(workspace, made, runs))
    assert list(table["run"]) == [run.id for run in runs] and list(table["seed"]) == ["0", "1", "0"]
    assert list(table["row"]) == ["linear_probe_steps", "linear_probe_steps", "last_n last_n=3"]
    assert list(table["last_n"]) == ["2", "2", "3"]
    assert all(name.startswith("'=1+1 꽃: resnet18") for name in table["name"])
    assert "epochs" not in table.columns, "all have the same"
    assert float(table["test_accuracy"][2]) > 0.7 and list(table["not_judged"]) == ["", "", ""]


def test_one_row_an_image_with_the_mean_over_seeds(workspace: Workspace):
    made = comparison(workspace, arm("linear_probe_steps", seeds=2), arm("last_n", seeds=1))
    runs = finish_all(workspace, made, SHARES, images=30)
    table = read(result_csv(workspace, made, runs))
    merged, alone = "linear_probe_steps (mean of 2 seeds)", "last_n (1 seed)"
    confidences = ("linear_probe_steps (confidence)", "last_n (confidence)")
    assert list(table.columns) == ["file_dir", "label", "split", merged, confidences[0], alone, confidences[1], "error"]
    assert len(table) == 61 and set(table["split"]) == {"val", "test", ""}
    assert table["label"][1] == f"'{CLASSES[1]}" and table["file_dir"][2].startswith("'@나비/")
    broken = table.iloc[-1]
    assert (broken["file_dir"], broken[merged], broken[confidences[0]]) == ("'=broken.jpg", "", "")
    first, second = (predictions.read(workspace.run(run.id) / "predictions.csv")["predict"] for run in runs[:2])
    agreed = first == second
    assert not agreed.all(), "the seeds differ somewhere"
    assert list(table[merged][agreed].str.removeprefix("'")) == list(first[agreed])
    assert {row for row in table[confidences[0]] if row} == {"0.8", "0.45"}


def test_there_is_no_result_before_something_has_finished(workspace: Workspace):
    made = comparison(workspace)
    runs = runs_of(workspace, made)
    with pytest.raises(RunError, match="No run of this comparison has predictions"):
        result_csv(workspace, made, runs)
    assert len(read(comparison_csv(workspace, made, runs))) == 6
