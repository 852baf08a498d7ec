"""What tests of several pages start from."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison import Comparison
from engine.data.dataset_records import Dataset
from engine.jobs import embedding_files
from engine.jobs.embedding_files import Embedded
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui.compare.evidence import Evidence
from tests.pages import compared, made, prepared


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace)


@pytest.fixture
def comparison(workspace: Workspace, dataset: Dataset) -> Comparison:
    """Of three strategies with one seed, finished."""
    return compared.finished(workspace, dataset, compared.RIGHT)


@pytest.fixture
def evidence(workspace: Workspace, comparison: Comparison) -> Evidence:
    return compared.evidence_now(workspace, comparison)


@pytest.fixture
def run(workspace: Workspace, dataset: Dataset) -> Run:
    """A finished one, that is mostly right."""
    return made.finished_run(workspace, dataset, seed=2)


@pytest.fixture
def kept(workspace: Workspace, run: Run, dataset: Dataset) -> Embedded:
    """What the job embedding left of the run."""
    embedded = made.embedded(dataset)
    embedding_files.keep_embedding(workspace, run.id, embedded)
    return embedded


@pytest.fixture
def page(workspace: Workspace) -> AppTest:
    """Configure with its sections unfolded, one dataset, and the catalogue and outline that a background job would have
    written."""
    prepared.catalog(workspace)
    prepared.outline(workspace)
    made.dataset(workspace)
    names = ("options", "phases", "rates", "probe", "forecast", "command", "blocks")
    return prepared.unfolded(prepared.page("configure"), *(f"fold_{name}" for name in names))
