"""Spreadsheets: any table as a CSV that is safe and legible in a spreadsheet, and the predictions of several strategies
side by side.

Not here: the predictions of one run (predictions, results).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from engine.errors import RunError
from engine.evaluation.predictions import PREFIX, classes_of
from engine.evaluation.result_csv import safe_text


def spreadsheet_csv(table: pd.DataFrame) -> bytes:
    """The table as CSV in UTF-8 with a byte-order mark; text that a spreadsheet would compute stands behind an
    apostrophe."""
    safe = table.map(lambda value: safe_text(value) if isinstance(value, str) else value)
    safe.columns = pd.Index([safe_text(str(column)) for column in safe.columns])
    text = safe.to_csv(index=False, float_format="%.6g", lineterminator="\r\n")
    return b"\xef\xbb\xbf" + str(text).encode("utf-8", "backslashreplace")


def merged_predictions(tables: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """One row an image: file_dir, label, split, and for every strategy the class of the highest mean probability over
    its runs.

    `tables` are predictions tables by strategy, all of one dataset. The heading of a strategy says over how many seeds
    the mean is; the mean itself follows as its confidence. The error of unreadable files comes last. RunError when
    images differ.
    """
    columns: dict[str, object] = {}
    first: pd.DataFrame | None = None
    for name, runs in tables.items():
        for table in runs:
            first = table if first is None else first
            if list(table["image"]) != list(first["image"]) or list(table["file_dir"]) != list(first["file_dir"]):
                raise RunError(
                    f"{name} predicted other images than the others, so there is no row for each image. Compare runs "
                    f"of one dataset."
                )
        guesses, confidence = _mean(runs)
        how = f"mean of {len(runs)} seeds" if len(runs) > 1 else "1 seed"
        columns |= {f"{name} ({how})": guesses, f"{name} (confidence)": confidence}
    if first is None:
        raise RunError("No run of this comparison has predictions yet. Let one finish.")
    return first[["file_dir", "label", "split"]].assign(**columns, error=first["error"])


def _mean(runs: Sequence[pd.DataFrame]) -> tuple[list[str], np.ndarray]:
    """Class and confidence of the mean probabilities; both empty for files that could not be read."""
    classes = classes_of(runs[0])
    mean = np.mean([table[[PREFIX + name for name in classes]].to_numpy(dtype=np.float64) for table in runs], axis=0)
    known = ~np.isnan(mean).any(axis=1)
    best = np.where(known, np.nan_to_num(mean).argmax(axis=1), 0)
    guesses = [classes[index] if fine else "" for index, fine in zip(best, known, strict=True)]
    return guesses, np.where(known, mean[np.arange(len(mean)), best], np.nan)
