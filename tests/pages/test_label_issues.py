"""Labels that look wrong: a decision for each is kept, can be taken back, and makes a version when somebody asks."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from engine.data import label_decisions
from engine.data.dataset import delete_dataset, list_datasets, open_dataset, version_origin
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision, read_decisions
from engine.errors import DatasetError
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui import text
from tests.pages import prepared
from tests.pages.prepared import cards, drawn, predictions_view

pytestmark = pytest.mark.usefixtures("kept")
WHY = "checked by a person"


def opened() -> AppTest:
    return predictions_view("Labels and copies")


@pytest.fixture
def decided(dataset: Dataset) -> None:
    label_decisions.decide(dataset, Decision(image=0, what="exclude", why=WHY))
    label_decisions.decide(dataset, Decision(image=1, what="relabel", to=dataset.classes[2], why=WHY))
    label_decisions.decide(dataset, Decision(image=2, what="keep"))


def test_decisions_make_a_version_and_leave_the_old_dataset_alone(
    workspace: Workspace, run: Run, dataset: Dataset, decided: None
) -> None:
    page = opened()
    assert [card["title"] for card in cards(page, "Labels to check")] == [f"{dataset.classes[2]}? 90 %"] * 3
    assert "3 decisions not yet applied: 1 image left out, 1 image relabelled, 1 label kept" in drawn(page)
    page.button(key=f"make_{run.id}").click().run()
    assert not page.exception
    new = open_dataset(workspace, list_datasets(workspace)[0].id)
    assert len(new.images) + 1 == len(dataset.images) == len(open_dataset(workspace, dataset.id).images)
    origin = version_origin(new)
    assert origin is not None and [change.to for change in origin.changes] == ["", dataset.classes[2]]
    assert all(WHY in change.why for change in origin.changes)
    assert "is a new dataset" in drawn(page) and not read_decisions(dataset).by_image
    delete_dataset(workspace, new.id)
    page.run()
    assert not page.exception and "is a new dataset" not in drawn(page)


def test_decisions_outlive_the_session_that_made_them(run: Run, dataset: Dataset, decided: None) -> None:
    page = opened()  # as after a closed tab
    notes = [card["note"] for card in cards(page, "Labels to check")]
    assert notes == ["✓ left out", f"✓ → {dataset.classes[2]}", "✓ label kept"]
    page.button(key=f"discard_{run.id}").click().run()
    assert not page.exception
    assert "not yet applied" not in drawn(page) and not read_decisions(dataset).by_image


def test_a_damaged_file_of_decisions_is_said(dataset: Dataset) -> None:
    (dataset.folder / "decisions.json").write_text("{")
    assert "could not be read" in drawn(opened())


def test_only_keeping_makes_no_version(run: Run, dataset: Dataset) -> None:
    label_decisions.decide(dataset, Decision(image=2, what="keep"))
    assert opened().button(key=f"make_{run.id}").disabled


@pytest.fixture
def dialog(run: Run, dataset: Dataset) -> AppTest:
    """About the first label issue, by itself."""

    def script(run_id: str, dataset_id: str) -> None:
        import streamlit as st

        from engine.data.dataset import open_dataset
        from pages.ui.predictions import embedding, label_issues
        from pages.ui.resources import workspace

        found = embedding.embedding_of(run_id)
        assert found is not None
        st.session_state.setdefault("label_issue", 0)
        label_issues._check(found.facts.doubts, open_dataset(workspace(), dataset_id))

    return prepared.alone(script, run_id=run.id, dataset_id=dataset.id)


def test_an_answer_is_kept_can_be_taken_back_and_a_full_disk_is_said(
    dialog: AppTest, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog.button(key="decide_relabel").click().run()
    assert read_decisions(dataset).by_image[0].to == dataset.classes[2]
    assert dialog.session_state["label_issue"] == 1  # the next one is shown
    dialog.button(key="label_issue_previous").click().run()
    dialog.button(key="decide_back").click().run()
    assert not dialog.exception and not read_decisions(dataset).by_image

    def full(*_: object) -> None:
        raise DatasetError("Your decision cannot be kept [here](http://evil.example).")

    monkeypatch.setattr(label_decisions, "decide", full)
    dialog.button(key="decide_exclude").click().run()
    assert not dialog.exception
    assert "cannot be kept \\[here\\]" in drawn(dialog) and dialog.session_state["label_issue"] == 0


def test_names_in_the_dialog_stay_text(dialog: AppTest, dataset: Dataset) -> None:
    shown = "\n".join([drawn(dialog), *(button.label for button in dialog.button)])
    for name in (dataset.classes[dataset.images[0].label], dataset.classes[2]):
        assert text.md(name) in shown
    assert not re.search(r"(?<!\\)\]\(", shown) and not re.search(r"(?<!\\)<b", shown)
