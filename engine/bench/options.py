"""Options: what the verb `bench` was asked for. Loads without torch. Not here: what they become (command)."""

from typing import TypedDict


class BenchOptions(TypedDict):
    """The options of `python -m engine bench`, as typed."""

    out: str
    data: tuple[str, ...]
    weights: str | None
    backbone: str
    images: int
    epochs: int | None
    image_size: int
    repetitions: int
    threads: int
    processor: str
    device: str
    rows: str
    strategies: str
    without: str
    parts: bool
    pages: bool
    first_start: bool
    accuracy: bool
    defaults: bool
    profile: str | None
    write: str | None
    beside: tuple[str, ...]
