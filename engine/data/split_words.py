"""Split words: what people call the parts of a dataset in folder names, file names and columns."""

from collections.abc import Mapping

from engine.data.dataset_records import Split

SPLIT_WORDS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_of(word: str) -> Split | None:
    """The split that `word` means, or None."""
    return SPLIT_WORDS.get(word.strip().casefold())
