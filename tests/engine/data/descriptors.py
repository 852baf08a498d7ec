"""Descriptors: which files a test has left open."""

import os

import pytest


def watched(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """What is open of all cache files (their names hold ".rows") that are opened from now on."""
    opened: set[int] = set()
    real_open, real_close = os.open, os.close

    def opening(path: object, *more: object) -> int:
        file = real_open(path, *more)  # type: ignore[arg-type]
        if ".rows" in str(path):
            opened.add(file)
        return file

    def closing(file: int) -> None:
        real_close(file)
        opened.discard(file)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "close", closing)
    return opened
