"""Any runs: what is said of accuracies that nothing but validation images measured."""

import json

from engine.workspace import Workspace
from tests.pages import made, prepared


def test_the_validation_accuracy_of_one_run_is_called_optimistic(workspace: Workspace) -> None:
    run = prepared.finished(workspace, made.dataset(workspace), correct=30)
    path = workspace.run(run.id) / "metrics.json"
    assert "optimistic" not in prepared.drawn(prepared.page("compare"))
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"splits": {"val": found["splits"]["val"]}}))
    said = prepared.drawn(prepared.page("compare"))
    assert "optimistic" in said and "likely to lie" in said
