"""Text: numbers as people say them, and names of people's files made harmless inside Markdown.

Not here: anything that draws. Names that go into a component are data and need no escaping.
"""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from html import escape

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&@\"'/])")
# Emoji codes, icons, web addresses and arrows are replaced by Streamlit after the escapes are gone, so a backslash
# cannot stop them: an invisible word joiner in the middle can.
_LATE = re.compile(r"(?<=:)(?=[\w+\-/])|(?<=[wW]{3})(?=\.)|(?<=@)(?=\w)|(?<=[-<>=~])(?=[-<>=])")
_JOINER = "\u2060"
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def md(text: str) -> str:
    """`text` as literal Markdown: whatever a class or file is called, it shows as it is written."""
    return _PUNCTUATION.sub(r"\\\1", _LATE.sub(_JOINER, plain(text)))


def plain(text: str) -> str:
    """`text` on one line, without control characters and without marks that reverse the reading direction."""
    flat = " ".join(text.split())
    return "".join(
        letter for letter in flat if unicodedata.category(letter) not in ("Cc", "Cs") and letter not in _DIRECTION
    )


def short(text: str, limit: int = 60) -> str:
    """`text`, its middle left out when it is longer than `limit`; the end of a file name says most."""
    flat = plain(text)
    if len(flat) <= limit:
        return flat
    tail = (limit - 1) * 2 // 3
    return f"{flat[: limit - 1 - tail]}…{flat[-tail:]}"


def bullets(sentences: Sequence[str]) -> str:
    """Each of `sentences` as literal Markdown in a line with a bullet; one alone has none."""
    bullet = "- " if len(sentences) > 1 else ""
    return "\n".join(bullet + md(sentence) for sentence in sentences)


def distinct(names: Sequence[str], limit: int = 60) -> list[str]:
    """Every name as `short` gives it, in order; those that would look the same are numbered, so no two are equal."""
    cut = [short(name, limit) for name in names]
    often = Counter(cut)
    taken = {name for name in cut if often[name] == 1}
    return [name if often[name] == 1 else _numbered(name, limit, taken) for name in cut]


def _numbered(name: str, limit: int, taken: set[str]) -> str:
    """`name (2)`, with the lowest number that is not in `taken`, which then holds it."""
    candidates = (f"{short(name, limit - len(str(number)) - 3)} ({number})" for number in itertools.count(1))
    numbered = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(numbered)
    return numbered


def stage(name: str) -> str:
    """A stage of a backbone without the modules around it: `block4`, `4..5` for `features.4..5`."""
    return re.sub(r"^(?:[A-Za-z_]\w*\.(?!\.))+", "", name)


def plotly(name: str) -> str:
    """`name` as literal text for plotly, which takes `<b>` and `&lt;` for markup but knows no `&quot;`."""
    return escape(plain(name), quote=False)


def count(number: int, noun: str) -> str:
    """`1 image`, `2,040 images`, `3 classes`."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number:,} {noun[:-1]}ies"
    return f"{number:,} {noun}{'es' if noun.endswith(('s', 'x', 'sh', 'tch')) else 's'}"


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `2 min 10 s`, `3 h 05 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def bytes_(number: float) -> str:
    """`812 B`, `4.1 KB`, `47.5 MB`, `2.0 GB`; powers of 1000, as disks count."""
    for unit in ("B", "KB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def listing(names: list[str], limit: int = 4) -> str:
    """`a, b and c`, or `a, b, c and 7 more`; names as they are, so escape the result."""
    if len(names) > limit:
        names = [*names[: limit - 1], f"{len(names) - limit + 1:,} more"]
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)
