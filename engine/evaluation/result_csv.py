"""result.csv: the answer a person takes home, one row per input, safe and legible in a spreadsheet.

UTF-8 with a byte-order mark (Excel then shows Korean), text that a spreadsheet would take for a formula disarmed with
a leading apostrophe. Not here: the lossless table the pages read (predictions).
"""

import re
from pathlib import Path

import pandas as pd

from engine.evaluation.predictions import PREFIX, classes_of
from engine.workspace import atomic_path

# What makes a spreadsheet compute a cell (OWASP, CSV injection), in ASCII and in full width; apostrophes before it are
# counted in, so that taking one away gives back any text exactly.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠﹦﹢﹣﹫]")
_LEADING = ("file_dir", "predict", "confidence", "label", "correct", "split")
_TRAILING = ("run", "error")


def write_result(path: Path, table: pd.DataFrame, run_id: str) -> None:
    """Write the rows of a predictions table as result.csv, atomically: its presence means that it is complete."""
    probabilities = [PREFIX + name for name in classes_of(table)]
    result = table.assign(run=run_id)[[*_LEADING, *probabilities, *_TRAILING]]
    for column in ("file_dir", "predict", "label", "split", "error"):
        result[column] = [safe_text(text) for text in result[column]]
    result.columns = pd.Index([safe_text(column) for column in result.columns])
    with atomic_path(path) as temporary:
        result.to_csv(
            temporary,
            index=False,
            encoding="utf-8-sig",
            errors="backslashreplace",
            float_format="%.6f",
            lineterminator="\r\n",  # RFC 4180, and what Excel writes
        )


def read_result(path: Path) -> pd.DataFrame:
    """result.csv as text, names as they were before they were made safe."""
    table = pd.read_csv(path, encoding="utf-8-sig", dtype="str", keep_default_na=False)
    table.columns = pd.Index([_original(column) for column in table.columns])
    return table.map(_original)


def safe_text(text: str) -> str:
    """`text`, behind an apostrophe when a spreadsheet would compute it; numbers are never passed through here."""
    return f"'{text}" if _FORMULA.match(text) else text


def _original(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
