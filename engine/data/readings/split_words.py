"""Split words: what people call the parts of a dataset in folder names, file names and columns."""

from collections.abc import Mapping

from engine.data.dataset_records import Split

SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "trainval", "학습", "훈련", "트레이닝"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "검증", "밸리데이션"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout", "평가", "시험", "테스트"), "test"),
}
"""In lower case, English and Korean."""


def split_of(word: str) -> Split | None:
    """The split that `word` means, or None."""
    return SPLIT_WORDS.get(word.strip().casefold())
