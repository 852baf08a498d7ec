"""The Dataset page by AppTest: what it shows is what the workspace holds, and its buttons change the workspace."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset import delete_dataset, list_datasets, open_dataset
from engine.data.dataset_records import Dataset
from engine.data.label_decisions import Decision, decide, read_decisions
from engine.data.versions import make_version
from engine.store.job_store import JobStore
from engine.workspace import Workspace
from tests.pages import made, prepared

PAGE = Path(__file__).resolve().parents[2] / "pages" / "dataset.py"


IMPORT: dict[str, object] = {"source": "upload-00000000", "name": "x"}


@pytest.fixture
def page(workspace: Workspace) -> AppTest:
    return AppTest.from_file(PAGE, default_timeout=30)


def button(page: AppTest, label: str):
    return next(button for button in page.button if button.label == label)


def test_an_empty_workspace_says_what_to_do(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "Drop a zip" in page.info[0].value


def test_the_card_shows_problems_by_name_and_continue_keeps_every_image(page: AppTest, workspace: Workspace) -> None:
    waiting(workspace)
    page.run()
    assert not page.exception
    shown = page.dataframe[0].value
    assert list(shown["File"]) == ["cat/._junk.gif", ".DS_Store"]
    assert page.metric[0].value == "37"
    button(page, "Continue").click().run()
    assert not page.exception
    made_now = list_datasets(workspace)
    assert [entry.images for entry in made_now] == [37]
    assert page.query_params["dataset"] == made_now[0].id


def test_exclude_problems_drops_the_extra_copy(page: AppTest, workspace: Workspace) -> None:
    waiting(workspace)
    page.run()
    button(page, "Exclude problems").click().run()
    assert [entry.images for entry in list_datasets(workspace)] == [36]


def test_a_draft_without_problems_offers_nothing_to_exclude(page: AppTest, workspace: Workspace) -> None:
    waiting(workspace, copies=0)
    page.run()
    assert "Exclude problems" not in [button.label for button in page.button]


def test_split_shares_and_seed_are_taken_when_accepting(page: AppTest, workspace: Workspace) -> None:
    draft = waiting(workspace)
    page.run()
    page.number_input(key=f"val_{draft}").set_value(30)
    page.number_input(key=f"test_{draft}").set_value(30)
    page.number_input(key=f"seed_{draft}").set_value(7)
    page.text_input(key=f"name_{draft}").set_value("renamed").run()
    button(page, "Continue").click().run()
    dataset = open_dataset(workspace, "renamed")
    assert len(dataset.images_of("val")) == 12


def test_discard_forgets_the_import(page: AppTest, workspace: Workspace) -> None:
    draft = waiting(workspace)
    page.run()
    button(page, "Discard").click().run()
    assert not workspace.incoming_item(draft).exists()
    assert not list_datasets(workspace)


def test_a_running_import_shows_progress_and_can_be_cancelled(page: AppTest, workspace: Workspace) -> None:
    job = prepared.job(workspace, "import", IMPORT, progress={"stage": "read", "done": 3, "total": 12})
    page.run()
    assert page.get("progress")[0].proto.text == "Reading images · 3 of 12"
    button(page, "Cancel").click().run()
    assert JobStore(workspace).get(job.id).requested == "cancel"


def test_a_failed_import_is_explained_until_it_is_read(page: AppTest, workspace: Workspace) -> None:
    prepared.job(workspace, "import", IMPORT, error="The archive has only one class: cat.")
    page.run()
    assert "only one class" in page.error[0].value
    button(page, "Understood").click().run()
    assert not page.error


def test_a_folder_on_the_server_becomes_an_import_job(page: AppTest, workspace: Workspace) -> None:
    page.run()
    page.segmented_control(key="way").set_value("Folder on the server").run()
    page.text_input[0].input("/data/꽃/")
    button(page, "Import").click().run()
    assert not page.exception
    assert [job.arguments_as(dict) for job in JobStore(workspace).list("import")] == [
        {"source": "/data/꽃/", "name": "꽃"}
    ]


def test_hostile_class_names_are_data_for_the_gallery_and_never_markdown(page: AppTest, workspace: Workspace) -> None:
    dataset = made.dataset(workspace)
    page.query_params["dataset"] = dataset.id
    page.run()
    assert not page.exception
    assert "](http://evil.example)" not in prepared.drawn(page)
    assert ":red[" not in prepared.drawn(page)


def test_the_address_chooses_the_dataset(page: AppTest, workspace: Workspace) -> None:
    older = made.dataset(workspace, name="older")
    made.dataset(workspace, name="newer")
    page.query_params["dataset"] = older.id
    page.run()
    assert page.selectbox(key="_dataset").value == older.id


def test_delete_needs_a_second_click_and_removes_the_dataset(page: AppTest, workspace: Workspace) -> None:
    dataset = made.dataset(workspace)
    page.run()
    assert list_datasets(workspace)
    page.button(key=f"delete_{dataset.id}").click().run()
    assert not page.exception
    assert not list_datasets(workspace)


def version(workspace: Workspace, of: Dataset) -> Dataset:
    return make_version(
        workspace, of.id, excluded={0: "blurred"}, relabelled={1: (of.classes[1], "seen"), 2: (of.classes[2], "seen")}
    )


def changed(page: AppTest) -> list[dict]:
    return next(one["items"] for one in prepared.components(page, "gallery") if one["label"] == "Changed images")


def test_a_version_shows_what_it_changed_and_links_to_what_it_was_made_of(workspace: Workspace) -> None:
    old = made.dataset(workspace)
    new = version(workspace, old)
    page = prepared.page("dataset", dataset=new.id)
    assert not page.exception
    said = prepared.drawn(page)
    assert "1 image left out, 2 images with another class\\." in said
    assert "Left out: " in said and "Relabelled: " in said
    assert said.count("→") == 2 and "](http" not in said and "<b>" not in said
    cards = changed(page)
    assert [card["tone"] for card in cards] == ["bad", "plain", "plain"]
    assert cards[0]["src"] == f"/api/thumbnails/{old.id}/0"  # what was left out is still in the old one
    moved = next(image.index for image in new.images if image.name == old.images[1].name)
    assert cards[1]["src"] == f"/api/thumbnails/{new.id}/{moved}"
    assert [link.proto.query_string for link in page.get("page_link")] == [f"dataset={old.id}"]
    page = prepared.page("dataset", dataset=old.id)
    assert [link.proto.query_string for link in page.get("page_link")] == [f"dataset={new.id}"]
    assert "Changed images" not in "".join(one.proto.json for one in page.get("bidi_component"))


def test_a_version_outlives_what_it_was_made_of(page: AppTest, workspace: Workspace) -> None:
    old = made.dataset(workspace)
    version(workspace, old)
    delete_dataset(workspace, old.id)
    page.run()
    assert not page.exception
    said = prepared.drawn(page)
    assert "which was deleted" in said and "Pictures of what was left out" in said
    assert changed(page)[0]["src"] == ""


def test_decisions_that_wait_are_shown_and_can_be_applied_here(page: AppTest, workspace: Workspace) -> None:
    old = made.dataset(workspace)
    decide(old, Decision(image=0, what="exclude"))
    page.run()
    assert "1 decision not yet applied: 1 image left out" in prepared.drawn(page)
    page.button(key=f"make_{old.id}").click().run()
    assert not page.exception
    assert page.query_params["dataset"] == list_datasets(workspace)[0].id != old.id
    assert not read_decisions(old).by_image


def waiting(workspace: Workspace, **options: int) -> str:
    """A draft as an import job left it."""
    draft = made.draft(workspace, **options)
    prepared.job(workspace, "import", IMPORT, result={"draft": draft})
    return draft


def test_an_image_opens_large_in_a_dialog(workspace: Workspace) -> None:
    def script(dataset_id: str) -> None:
        from engine.data.dataset import open_dataset
        from pages.ui.dataset.image_browser import image_dialog
        from pages.ui.resources import workspace

        image_dialog(open_dataset(workspace(), dataset_id), 0)

    dataset = made.dataset(workspace)
    page = prepared.alone(script, dataset_id=dataset.id)
    assert page.get("dialog") and "](http" not in prepared.drawn(page)
    assert prepared.components(page, "picture")[0]["src"] == f"/api/images/{dataset.id}/0"
