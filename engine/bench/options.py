"""Options: what the verb `bench` was asked for. Loads without torch. Not here: what they become (command)."""

from typing import TypedDict


class BenchOptions(TypedDict):
    """The options of `python -m engine bench`, as typed."""

    out: str
    data: str | None
    backbone: str
    images: int
    epochs: int
    image_size: int
    repetitions: int
    threads: int
    device: str
    rows: str
    without: str
    parts: bool
    pages: bool
    profile: str | None
    write: str | None
    beside: tuple[str, ...]
