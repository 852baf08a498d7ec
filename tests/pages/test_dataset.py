"""The Dataset page by AppTest: what it shows is what the workspace holds, and its buttons change the workspace."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset import delete_dataset, list_datasets, open_dataset
from engine.data.dataset_records import Dataset
from engine.data.drafts import load_draft
from engine.data.label_decisions import Decision, decide, read_decisions
from engine.data.versions import make_version
from engine.store.job_store import JobStore
from engine.workspace import Workspace
from tests.pages import made, prepared
from tests.pages.prepared import drawn

PAGE = prepared.ROUTER.with_name("dataset.py")
IMPORT: dict[str, object] = {"source": "upload-00000000", "name": "x"}


def opened(**query: str) -> AppTest:
    """By itself; the router knows the first page by another name."""
    page = AppTest.from_file(PAGE, default_timeout=30)
    page.query_params.update(query)
    assert not page.run().exception
    return page


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def waiting(workspace: Workspace, **options: int) -> str:
    """A draft as an import job left it."""
    draft = made.draft(workspace, **options)
    prepared.job(workspace, "import", IMPORT, result={"draft": draft})
    return draft


def test_an_empty_workspace_says_what_to_do(workspace: Workspace) -> None:
    assert "Drop a zip" in opened().info[0].value


def test_the_card_shows_problems_by_name_and_continue_keeps_every_image(workspace: Workspace) -> None:
    waiting(workspace)
    page = opened()
    assert list(page.dataframe[0].value["File"]) == ["cat/._junk.gif", ".DS_Store"]
    assert page.metric[0].value == "37"
    press(page, "Continue")
    (summary,) = list_datasets(workspace)
    assert summary.images == 37 and page.query_params["dataset"] == summary.id


def test_exclude_problems_drops_the_extra_copy(workspace: Workspace) -> None:
    waiting(workspace)
    press(opened(), "Exclude problems")
    assert [entry.images for entry in list_datasets(workspace)] == [36]


def test_a_draft_without_problems_offers_nothing_to_exclude(workspace: Workspace) -> None:
    waiting(workspace, copies=0)
    assert "Exclude problems" not in [button.label for button in opened().button]


def test_split_shares_and_seed_are_taken_when_accepting(workspace: Workspace) -> None:
    draft = waiting(workspace)
    page = opened()
    for key, value in (("val", 30), ("test", 30), ("seed", 7)):
        page.number_input(key=f"{key}_{draft}").set_value(value)
    page.text_input(key=f"name_{draft}").set_value("renamed").run()
    press(page, "Continue")
    assert len(open_dataset(workspace, "renamed").images_of("val")) == 12


def test_discard_forgets_the_import(workspace: Workspace) -> None:
    draft = waiting(workspace)
    press(opened(), "Discard")
    assert not workspace.incoming_item(draft).exists() and not list_datasets(workspace)


def test_a_wrong_reading_is_asked_about_and_corrected_in_one_click(workspace: Workspace) -> None:
    draft = made.doubtful_draft(workspace)
    prepared.job(workspace, "import", IMPORT, result={"draft": draft})
    page = opened()
    assert "Are these the classes" in page.warning[0].value and not page.success
    assert "](http://evil.example)" not in drawn(page)
    press(page, "Read it so")
    assert load_draft(workspace, draft).classes == ("fresh", "rotten") and page.success
    press(page, "Continue")
    assert open_dataset(workspace, page.query_params["dataset"]).classes == ("fresh", "rotten")


def test_a_running_import_shows_progress_and_can_be_cancelled(workspace: Workspace) -> None:
    job = prepared.job(workspace, "import", IMPORT, progress={"stage": "read", "done": 3, "total": 12})
    page = opened()
    assert page.get("progress")[0].proto.text == "Reading images · 3 of 12"
    press(page, "Cancel")
    assert JobStore(workspace).get(job.id).requested == "cancel"


def test_a_failed_import_is_explained_until_it_is_read(workspace: Workspace) -> None:
    prepared.job(workspace, "import", IMPORT, error="The archive has only one class: cat.")
    page = opened()
    assert "only one class" in page.error[0].value
    press(page, "Understood")
    assert not page.error and not opened().error, "nor does it come back in another tab"


def test_a_folder_on_the_server_becomes_an_import_job(workspace: Workspace) -> None:
    page = opened()
    page.segmented_control(key="way").set_value("Folder on the server").run()
    page.text_input[0].input("/data/꽃/")
    press(page, "Import")
    jobs = JobStore(workspace).list("import")
    assert [job.arguments_as(dict) for job in jobs] == [{"source": "/data/꽃/", "name": "꽃"}]


def test_hostile_class_names_are_data_for_the_gallery_and_never_markdown(dataset: Dataset) -> None:
    shown = drawn(opened(dataset=dataset.id))
    assert "](http://evil.example)" not in shown and ":red[" not in shown


def test_the_address_chooses_the_dataset(workspace: Workspace, dataset: Dataset) -> None:
    made.dataset(workspace, name="newer")
    assert opened(dataset=dataset.id).selectbox(key="_dataset").value == dataset.id


def test_delete_needs_a_second_click_and_removes_the_dataset(workspace: Workspace, dataset: Dataset) -> None:
    page = opened()
    assert list_datasets(workspace)
    page.button(key=f"delete_{dataset.id}").click().run()
    assert not page.exception and not list_datasets(workspace)


@pytest.fixture
def version(workspace: Workspace, dataset: Dataset) -> Dataset:
    relabelled = {index: (dataset.classes[index], "seen") for index in (1, 2)}
    return make_version(workspace, dataset.id, excluded={0: "blurred"}, relabelled=relabelled)


def test_a_version_shows_what_it_changed_and_links_to_what_it_was_made_of(dataset: Dataset, version: Dataset) -> None:
    page = prepared.page("dataset", dataset=version.id)
    shown = drawn(page)
    assert "1 image left out, 2 images with another class\\." in shown
    assert "Left out: " in shown and "Relabelled: " in shown
    assert shown.count("→") == 2 and "](http" not in shown and "<b>" not in shown
    cards = prepared.cards(page, "Changed images")
    assert [card["tone"] for card in cards] == ["bad", "plain", "plain"]
    assert cards[0]["src"] == f"/api/thumbnails/{dataset.id}/0"  # what was left out is still in the old one
    moved = next(image.index for image in version.images if image.name == dataset.images[1].name)
    assert cards[1]["src"] == f"/api/thumbnails/{version.id}/{moved}"
    assert [link.proto.query_string for link in page.get("page_link")] == [f"dataset={dataset.id}"]
    page = prepared.page("dataset", dataset=dataset.id)
    assert [link.proto.query_string for link in page.get("page_link")] == [f"dataset={version.id}"]
    assert "Changed images" not in [grid["label"] for grid in prepared.components(page, "gallery")]


def test_a_version_outlives_what_it_was_made_of(workspace: Workspace, dataset: Dataset, version: Dataset) -> None:
    delete_dataset(workspace, dataset.id)
    page = opened()
    assert "which was deleted" in drawn(page) and "Pictures of what was left out" in drawn(page)
    assert prepared.cards(page, "Changed images")[0]["src"] == ""


def test_decisions_that_wait_are_shown_and_can_be_applied_here(workspace: Workspace, dataset: Dataset) -> None:
    decide(dataset, Decision(image=0, what="exclude"))
    page = opened()
    assert "1 decision not yet applied: 1 image left out" in drawn(page)
    page.button(key=f"make_{dataset.id}").click().run()
    assert not page.exception
    assert page.query_params["dataset"] == list_datasets(workspace)[0].id != dataset.id
    assert not read_decisions(dataset).by_image


def test_an_image_opens_large_in_a_dialog(dataset: Dataset) -> None:
    def script(dataset_id: str) -> None:
        from engine.data.dataset import open_dataset
        from pages.ui.dataset.image_browser import image_dialog
        from pages.ui.resources import workspace

        image_dialog(open_dataset(workspace(), dataset_id), 0)

    page = prepared.alone(script, dataset_id=dataset.id)
    assert page.get("dialog") and "](http" not in drawn(page)
    assert prepared.components(page, "picture")[0]["src"] == f"/api/images/{dataset.id}/0"
