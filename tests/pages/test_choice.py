"""A choice that the address may make: what it asks for is shown, or it is said that it is not there."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.data.dataset import delete_dataset
from engine.workspace import Workspace
from tests.pages import made, prepared

HOSTILE = "run-[x](http://evil.example)"


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    made.finished_run(workspace, made.dataset(workspace))
    prepared.catalog(workspace)
    prepared.outline(workspace)
    return workspace


def said(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(element.value for element in page.warning if "not here" in element.value)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("monitor", "run"),
        ("predictions", "run"),
        ("dataset", "dataset"),
        ("configure", "dataset"),
        ("compare", "dataset"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(filled: Workspace, name: str, key: str) -> None:
    page = prepared.page(name, **{key: HOSTILE})
    assert said(page) and "](http" not in said(page)
    assert page.query_params[key] != [HOSTILE]
    assert not said(page.run())


def test_an_address_that_leads_somewhere_says_nothing(filled: Workspace) -> None:
    assert not said(prepared.page("monitor"))


def test_what_was_shown_and_is_deleted_is_no_wrong_address(workspace: Workspace) -> None:
    kept, gone = made.dataset(workspace, name="kept"), made.dataset(workspace, name="gone")
    page = prepared.page("dataset", dataset=gone.id)
    assert page.selectbox(key="_dataset").value == gone.id
    delete_dataset(workspace, gone.id)
    page.run()
    assert page.selectbox(key="_dataset").value == kept.id and not said(page)
