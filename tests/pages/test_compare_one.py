"""A comparison on the Compare page by AppTest: the verdict is the judgement's, every state is said, and names stay
text."""

import json
import re
from itertools import islice

import pytest
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison import Arm, Comparison, arm
from engine.comparisons.comparison_store import ComparisonStore
from engine.comparisons.judgement import Judgement, judgement
from engine.comparisons.wording import exclusion_sentence, sentences
from engine.data.dataset_records import Dataset
from engine.errors import RunError
from engine.jobs import forecast_files
from engine.store.run_store import RunStore
from engine.workspace import Workspace
from pages.ui import text
from tests.pages import compared, made, prepared
from tests.pages.compared import claims, evidence_now, finished, opened, runs_of
from tests.pages.test_compare import strings

THREE = {"linear_probe_steps": 0.5, "last_block": 0.75, "full_finetune": 0.97}
TWO = {"linear_probe_steps": 0.5, "full_finetune": 0.97}
IMAGES = 40


@pytest.fixture
def comparison(workspace: Workspace, dataset: Dataset) -> Comparison:
    """Finished, of three strategies with two seeds, on 40 images a split."""
    return finished(workspace, dataset, THREE, seeds=2, images=IMAGES)


def table(page: AppTest):
    return page.dataframe[0].value.set_index("strategy")


def judged(workspace: Workspace, comparison: Comparison) -> Judgement:
    return judgement(workspace, comparison, runs_of(workspace, comparison))


def chart(page: AppTest, key: str) -> dict:
    return next(json.loads(one.proto.spec) for one in page.get("plotly_chart") if one.proto.id.endswith(key))


def button(page: AppTest, label: str):
    return next(one for one in page.button if one.label.startswith(label))


def test_the_verdict_on_the_page_is_the_judgement_s(workspace: Workspace, comparison: Comparison) -> None:
    said = sentences(judged(workspace, comparison))
    drawn = prepared.drawn(opened(comparison))
    assert len(said) >= 4
    for sentence in said:
        assert text.md(sentence) in drawn


def test_the_table_has_one_row_a_strategy_with_interval_calibration_and_cost(
    workspace: Workspace, comparison: Comparison
) -> None:
    found = table(opened(comparison))
    assert set(found.index) == {"linear_probe_steps", "last_block", "full_finetune"}
    verdict = judged(workspace, comparison).verdict
    assert verdict is not None and verdict.accuracy_test is not None
    row = found.loc["full_finetune"]
    assert (row["verdict"], row["runs"], row["seconds"], row["memory"]) == ("chosen", "2 of 2", 80.0, 5.0)
    assert row["accuracy"] == pytest.approx(100 * verdict.accuracy_test)
    assert row["checkpoint"] == pytest.approx(700 / 1e6)
    low, high = (float(word) for word in str(row["band"]).replace(", above", "").split(" to "))
    assert 0 <= low < high < 100 and row["calibration"] > 0


def test_what_is_shown_of_a_strategy_is_said_of_it(workspace: Workspace, dataset: Dataset) -> None:
    page = opened(finished(workspace, dataset, TWO))
    assert "full\\_finetune is better than linear\\_probe\\_steps by" in prepared.drawn(page)
    assert dict(table(page)["verdict"]) == {"linear_probe_steps": "shown to be worse", "full_finetune": "chosen"}


def test_while_nothing_has_finished_the_page_waits_in_words(workspace: Workspace, dataset: Dataset) -> None:
    waiting = compared.comparison(workspace, dataset)
    page = opened(waiting)
    drawn = prepared.drawn(page)
    assert "0 of 6 runs finished, 6 waiting" in drawn
    assert text.md("No run of this comparison has finished yet, so there is nothing to judge.") in drawn
    assert list(table(page)["verdict"]) == ["not finished"] * 3
    for label, status in (("Stop", "stopped"), ("Resume 6 runs", "queued")):
        button(page, label).click().run()
        assert {run.status for run in runs_of(workspace, waiting)} == {status}


def test_a_comparison_under_way_shows_its_curves_and_what_is_comparison(workspace: Workspace, dataset: Dataset) -> None:
    comparison = compared.comparison(workspace, dataset)
    runs = claims(workspace, comparison)
    for run in islice(runs, 2):
        compared.finish(workspace, run, dataset, 0.9)
    compared.start(workspace, next(runs), dataset, epochs=1)
    page = opened(comparison)
    drawn = prepared.drawn(page)
    assert "2 of 6 runs finished, 3 waiting" in drawn
    assert text.md("4 of 6 runs have not finished yet; the verdict may change.") in drawn
    progress = page.get("progress")[0].proto.text
    assert "epoch 2 of 4" in progress and "left in all" in progress
    assert [len(trace["x"]) for trace in chart(page, "spans")["data"] if trace.get("name")] == [4, 1]


def test_what_is_not_judged_is_named_with_its_reason(workspace: Workspace, dataset: Dataset) -> None:
    comparison = compared.comparison(workspace, dataset)
    for run in claims(workspace, comparison):
        if run.config.strategy == "last_block":
            RunStore(workspace).finish(run.id, "failed", error="Out of memory: <b>batch</b> 32.")
        else:
            odd = (run.config.strategy, run.config.seed) == ("full_finetune", 1)
            compared.finish(workspace, run, dataset, 0.8, views="other" if odd else "same")
    page = opened(comparison)
    excluded = judged(workspace, comparison).excluded
    assert len(excluded) == 3
    for exclusion in excluded.values():
        assert text.md(exclusion_sentence(exclusion)) in prepared.drawn(page)
    assert "2 failed" in prepared.drawn(page)
    assert table(page).loc["last_block", "verdict"] == "not judged"


@pytest.mark.parametrize("kind", ["first", "second", "neither"])
def test_the_disagreements_are_exactly_these_images(workspace: Workspace, comparison: Comparison, kind: str) -> None:
    page = opened(comparison)
    page.selectbox(key="flip_first").set_value("full_finetune")
    page.selectbox(key="flip_second").set_value("linear_probe_steps")
    page.radio(key="flip_kind").set_value(kind).run()
    assert not page.exception
    found = evidence_now(workspace, comparison)
    one, two = found.arms["full_finetune"].votes, found.arms["linear_probe_steps"].votes
    rights = {"first": (True, False), "second": (False, True), "neither": (False, False)}[kind]
    wanted = {
        place
        for place in range(IMAGES)
        if (one.right[place], two.right[place]) == rights and one.guesses[place] != two.guesses[place]
    }
    shown = prepared.components(page, "gallery")[0]["items"] if wanted else []
    assert {int(card["id"]) for card in shown} == wanted
    for card in shown:
        place = int(card["id"])
        assert card["src"] == f"/api/thumbnails/{comparison.dataset}/{found.images[place]}"
        assert found.classes[one.guesses[place]] in card["title"] and found.classes[two.guesses[place]] in card["note"]
    if kind == "first":
        truth = made.CLASSES[1]
        page.selectbox(key="flip_truth").set_value(truth).run()
        assert {int(card["id"]) for card in prepared.components(page, "gallery")[0]["items"]} == {
            place for place in wanted if found.classes[found.labels[place]] == truth
        }


def test_names_of_every_kind_stay_text(workspace: Workspace, dataset: Dataset) -> None:
    name = "<script>alert(1)</script> :red[x] 고양이 *b* [l](http://evil.example)"
    quiet = arm("named", seeds=1, settings={"patterns": "layer4[.<img src=x>:red[y]*"})
    evil = arm("named", seeds=1, settings={"patterns": "layer4*, <img src=x onerror=alert(1)>:red[y]"})
    comparison = compared.comparison(workspace, dataset, arm("linear_probe_steps", seeds=1), quiet, name=name)
    ComparisonStore(workspace).add_arm(comparison.id, evil)
    for run in claims(workspace, comparison):
        if "onerror" in run.config.patterns:
            RunStore(workspace).finish(run.id, "failed", error=f"No block is called {run.config.patterns}.")
        else:
            compared.finish(workspace, run, dataset, 0.8)
    page = opened(comparison)
    drawn, html = prepared.drawn(page), prepared.html(page)
    for hostile in (r":red\[", "<img", "<script", r"\]\(http"):
        assert not re.search(rf"(?<!\\){hostile}", drawn), hostile
    assert "<img" not in html and "<script" not in html
    words = [word for one in page.get("plotly_chart") for word in strings(json.loads(one.proto.spec))]
    assert any("&lt;img src=x" in word for word in words) and not any("<img" in word for word in words)


def rates(number: int, seeds: int = 1) -> list[Arm]:
    """So many arms that differ in their learning rate."""
    return [arm("last_n", seeds=seeds, settings={"last_n": 2, "lr": (turn + 1) / 1000}) for turn in range(number)]


def test_reasons_that_are_many_are_folded(workspace: Workspace, dataset: Dataset) -> None:
    comparison = compared.comparison(workspace, dataset, *rates(4))
    for run in claims(workspace, comparison):
        RunStore(workspace).finish(run.id, "failed", error="Out of *memory*.")
    page = opened(comparison)
    assert not page.warning and "4 reasons why runs are not judged" in [one.label for one in page.expander]
    assert prepared.drawn(page).count(r"Out of \*memory\*") == 4


def test_forty_runs_are_one_page(workspace: Workspace, dataset: Dataset) -> None:
    comparison = compared.comparison(workspace, dataset, *rates(20, seeds=2))
    compared.finish_all(workspace, comparison, dataset, {"last_n": 0.8})
    page = opened(comparison)
    assert len(table(page)) == 20
    assert "40 of 40 runs finished" in prepared.drawn(page)
    assert len(chart(page, "flips")["data"][1]["customdata"]) == 20 * 19


def test_one_strategy_alone_is_not_compared(workspace: Workspace, dataset: Dataset) -> None:
    drawn = prepared.drawn(opened(finished(workspace, dataset, {"linear_probe_steps": 0.5}, seeds=2)))
    assert text.md("One strategy alone cannot be compared; train another on the same split.") in drawn
    assert "Appears when" not in drawn and drawn.count("There is nothing to compare: see the verdict.") == 2


def test_a_comparison_grows_is_renamed_and_goes(workspace: Workspace, comparison: Comparison) -> None:
    store, page = ComparisonStore(workspace), opened(comparison)
    page.number_input(key="more_seeds").set_value(1)
    page.selectbox(key="more_seeds_of").set_value("linear_probe_steps")
    page.button(key="add_seeds").click().run()
    assert [run.config.seed for run in store.runs_of(comparison.id) if run.status == "queued"] == [2]
    page.selectbox(key="more_strategy").set_value("last_n").run()
    page.number_input(key="more_last_n").set_value(3)
    page.number_input(key="more_strategy_seeds").set_value(1)
    page.button(key="add_strategy").click().run()
    assert store.get(comparison.id).strategies[-1].label == "last_n last_n=3"
    page.text_input(key=f"rename_{comparison.id}").set_value("새 이름")
    page.button(key="rename").click().run()
    assert store.get(comparison.id).name == "새 이름"
    button(page, "Stop").click().run()
    page.checkbox(key=f"delete_runs_{comparison.id}").check().run()
    page.button(key=f"delete_{comparison.id}").click().run()
    assert not page.exception
    with pytest.raises(RunError):
        store.get(comparison.id)
    assert RunStore(workspace).list() == []


def test_an_address_of_no_comparison_says_so_and_shows_another(workspace: Workspace, comparison: Comparison) -> None:
    page = prepared.page("compare", comparison="comparison-0000000000")
    assert not page.exception
    assert len(page.warning) == 1 and "may have been deleted" in page.warning[0].value
    assert "6 of 6 runs finished" in prepared.drawn(page)


def test_any_runs_are_the_other_mode_and_the_address_keeps_it(workspace: Workspace, comparison: Comparison) -> None:
    page = opened(comparison)
    page.segmented_control(key="compare_mode").set_value("dataset").run()
    assert page.multiselect
    assert "comparison" not in page.query_params
    page.run()
    assert page.multiselect
    page.segmented_control(key="compare_mode").set_value("comparison").run()
    assert not page.multiselect and "dataset" not in page.query_params


def test_a_comparison_whose_runs_were_deleted_says_so(workspace: Workspace, comparison: Comparison) -> None:
    for run in RunStore(workspace).list():
        RunStore(workspace).delete(run.id)
    page = opened(comparison)
    assert "All runs of this comparison were deleted" in page.info[0].value
    page.button(key="add_seeds").click().run()
    assert not page.exception
    assert "0 of 6 runs finished, 6 waiting" in prepared.drawn(page)


def test_parts_of_the_images_are_trained_on_request_and_drawn_apart_from_the_verdict(
    workspace: Workspace, dataset: Dataset, comparison: Comparison
) -> None:
    page = opened(comparison)
    before = table(page)
    assert not any(one.proto.id.endswith("datasize") for one in page.get("plotly_chart"))
    page.button(key="datasizes").click().run()
    assert not page.exception
    parts = [run for run in runs_of(workspace, comparison) if run.config.train_share < 100]
    assert len(parts) == 3 * 3 * 2 and {run.status for run in parts} == {"queued"}
    assert "18 runs on a part of the images still to come" in prepared.drawn(page)
    with pytest.raises(KeyError):
        page.button(key="datasizes")
    compared.finish_all(
        workspace, comparison, dataset, {name: share - 0.1 for name, share in THREE.items()}, images=IMAGES
    )
    page = opened(comparison)
    curves = chart(page, "datasize")["data"]
    assert {curve["name"] for curve in curves} == {"linear_probe_steps", "last_block", "full_finetune"}
    assert all(len(curve["x"]) == 4 and curve["y"][-1] > curve["y"][0] for curve in curves)
    assert text.md("full_finetune is ahead with every number of images") in prepared.drawn(page)
    assert table(page).equals(before)


def test_forecasts_stand_beside_what_the_runs_took(workspace: Workspace, dataset: Dataset) -> None:
    comparison = finished(workspace, dataset, TWO)
    told = forecast_files.Forecast(seconds=42.0, peak_memory_bytes=1, trainable_parameters=1, cache_bytes=0)
    forecast_files.keep_forecast(workspace, runs_of(workspace, comparison)[0].config, told)
    page = opened(comparison)
    table = next(one.value for one in page.dataframe if "Took, s" in one.value)
    assert list(table["Forecast, s"].dropna()) == [42.0]
    assert table["Took, s"].notna().all()
    assert "1 run that had a forecast and finished: forecast 42 s, took" in prepared.drawn(page)


def test_few_images_recommend_nothing_and_say_how_many_would(workspace: Workspace, dataset: Dataset) -> None:
    """Right on 9 of 12 is not shown to be worse than right on all, and not as good either."""
    page = opened(finished(workspace, dataset, {"linear_probe_steps": 0.7, "last_block": 1.0}, images=12))
    assert not page.success
    said = page.info[0].value.replace("\\", "")
    assert said.startswith("These 12 test images cannot tell whether linear_probe_steps (2.0 s of training inst")
    assert "it may lose up to" in said and "more could. Until then take last_block, which validation chose." in said
    first = next(one.value for one in page.markdown if one.value.startswith("**")).replace("\\", "")
    assert "Take last_block for now: it was right on" in first and "of 12 new images, linear_probe_steps on" in first
    assert "Validation chose" not in first and "What this rests on" in [one.label for one in page.expander]


def test_green_is_what_is_shown_to_lose_no_more_than_the_margin(workspace: Workspace, dataset: Dataset) -> None:
    comparison = finished(workspace, dataset, {"linear_probe_steps": 0.995, "last_block": 1.0}, images=600)
    page = opened(comparison)
    said = page.success[0].value.replace("\\", "")
    assert said.startswith("linear_probe_steps is as good as last_block, which validation chose, within 2 points")
    page.number_input(key=f"margin_{comparison.id}").set_value(0.5).run()
    assert not page.exception and not page.success
    assert "within 0.5 points: it may lose up to" in page.info[0].value.replace("\\", "")
    assert ComparisonStore(workspace).get(comparison.id).margin == 0.5
    assert opened(comparison).info[0].value == page.info[0].value


def test_advice_is_not_green_before_every_run_has_ended(workspace: Workspace, dataset: Dataset) -> None:
    shares = {"linear_probe_steps": 0.3, "last_block": 0.5, "full_finetune": 0.97}
    comparison = compared.comparison(workspace, dataset, *(arm(name, seeds=1) for name in shares))
    for run in islice(claims(workspace, comparison), 2):
        compared.finish(workspace, run, dataset, shares[run.config.strategy])
    assert not opened(comparison).success
    compared.finish_all(workspace, comparison, dataset, shares)
    assert opened(comparison).success
