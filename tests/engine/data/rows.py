"""Cache files of known rows, for tests."""

from pathlib import Path

import numpy as np

from engine.data.row_file import Building, Contents, Rows, open_rows

COUNT, SIZE = 5, 24
CONTENTS = Contents(kind="test", shape=(2, 3), dataset="개미")


def content(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, SIZE, dtype=np.uint8)


def empty(path: Path) -> Building:
    return Building(path, rows=COUNT, row_bytes=SIZE)


def built(path: Path) -> Building:
    """A file that has every row and is not finished."""
    building = empty(path)
    for row in (3, 0, 4, 1, 2):
        building.write(row, content(row))
    return building


def write(path: Path) -> None:
    built(path).finish(CONTENTS).close()


def opened(path: Path) -> Rows | None:
    return open_rows(path, rows=COUNT, row_bytes=SIZE)


def right(file: Rows | Building, row: int) -> bool:
    """Whether the row is there and what was written."""
    out = np.zeros(SIZE, dtype=np.uint8)
    return file.read(row, out) and np.array_equal(out, content(row))
