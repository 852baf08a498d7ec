"""What tests of several pages start from."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.comparisons.comparison import Comparison
from engine.data.dataset_records import Dataset
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
def page(workspace: Workspace) -> AppTest:
    """Configure with its sections unfolded, one dataset, and the catalogue and outline that a background job would have
    written."""
    prepared.catalog(workspace)
    prepared.outline(workspace)
    made.dataset(workspace)
    return prepared.unfolded(
        prepared.page("configure"),
        "fold_options",
        "fold_phases",
        "fold_rates",
        "fold_probe",
        "fold_forecast",
        "fold_command",
        "fold_blocks",
    )
