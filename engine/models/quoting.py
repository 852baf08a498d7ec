"""Quoting: names that stand in a stranger's file, as a sentence can show them: on one line, printable, few and short.

Not here: where the names come from.
"""

import unicodedata
from collections.abc import Sequence

_LENGTH = 80
_SHOWN = 3


def quoted(name: str, length: int = _LENGTH) -> str:
    """`name` without control characters and halves of surrogates, cut to `length`."""
    text = name[: length + 1].encode("utf-8", "replace").decode()
    clean = "".join("_" if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)
    return clean if len(clean) <= length else f"{clean[: length - 1]}…"


def listed(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first few of `names`, and how many more there are."""
    more = len(names) - shown
    text = ", ".join(quoted(name) for name in names[:shown])
    return f"{text} and {more} more" if more > 0 else text


def grouped(paths: Sequence[str]) -> str:
    """`paths` with dots, by what many of them begin or end with where they are more than a few: `encoder_k, queue`."""
    if len(paths) <= _SHOWN:
        return listed(paths)
    parts = [path.split(".") for path in paths]
    common = next((depth for depth, names in enumerate(zip(*parts, strict=False)) if len(set(names)) > 1), 0)
    first = list(dict.fromkeys(path[min(common, len(path) - 1)] for path in parts))
    last = list(dict.fromkeys(path[-1] for path in parts))
    return listed(min(first, last, key=len))
