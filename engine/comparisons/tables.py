"""Tables: a comparison as files for a spreadsheet, a row a run or a row an image.

Not here: the rows of its strategies and the verdict (judgement).
"""

from collections.abc import Sequence

import pandas as pd

from engine.comparisons.comparison import Comparison, label_of
from engine.comparisons.judgement import by_label, exclusions, row_of
from engine.comparisons.wording import exclusion_sentence
from engine.config import differences
from engine.evaluation import predictions
from engine.evaluation.spreadsheets import merged_predictions, spreadsheet_csv
from engine.store.run_record import Run
from engine.workspace import Workspace

_SCORES = (
    *("val_accuracy", "test_accuracy", "f1_macro", "log_loss", "best_epoch"),
    *("trainable_parameters", "seconds", "cache_seconds", "peak_memory_bytes"),
)


def comparison_csv(workspace: Workspace, comparison: Comparison, runs: Sequence[Run]) -> bytes:
    """One row a run: which, what came out, every option in which the runs differ, and why it is not judged."""
    excluded = exclusions(workspace, runs)
    differing = differences([run.config for run in runs])
    rows = []
    for position, run in enumerate(runs):
        row = row_of(workspace, label_of(comparison, run.config), [run], excluded={})
        rows.append(
            {
                "run": run.id,
                "name": run.name,
                "row": row.label,
                "status": run.status,
                "backbone": row.backbone,
                **{name: values[position] for name, values in differing.items() if name != "backbone"},
                **{name: getattr(row, name) for name in _SCORES},
                "not_judged": exclusion_sentence(excluded[run.id]) if run.id in excluded else "",
            }
        )
    return spreadsheet_csv(pd.DataFrame(rows))


def result_csv(workspace: Workspace, comparison: Comparison, runs: Sequence[Run]) -> bytes:
    """One row an image: label, split, and what each strategy's mean probabilities over its seeds say. RunError when
    nothing has finished."""
    excluded = exclusions(workspace, runs)
    counted = [run for run in runs if run.status == "finished" and run.id not in excluded]
    tables = {
        label: [predictions.read(workspace.run(run.id) / "predictions.csv") for run in of]
        for label, of in by_label(comparison, counted).items()
    }
    return spreadsheet_csv(merged_predictions(tables))
