"""What tests of several pages start from."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.workspace import Workspace
from tests.pages import made, prepared


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
