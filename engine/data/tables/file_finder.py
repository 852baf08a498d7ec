"""File finder: which image a row of a table means, however its name was written down: with the folders of another
machine, without its ending, in other capitals, without leading zeros, as part of a URL.

Compares names only and opens nothing. Not here: which column holds names (columns).
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from engine.data.file_names import clean_name
from engine.data.readings.split_words import split_of
from engine.data.staging.zips import StagedFile

_PHOTOGRAPHS = ("jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "tif", "tiff", "webp", "ppm", "pgm", "pnm", "heic", "heif")
IMAGE_ENDINGS = frozenset((*_PHOTOGRAPHS, "avif", "png", "gif", "pbm"))
"""What a name in a table may end in without the file that it means ending in the same."""
_FROM_ELSEWHERE = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*://[^/]*|[a-zA-Z]:)?(?:\.{0,2}/)+")
"""What a URL, or a path from another folder or machine, begins with."""
_QUERY = re.compile(r"[?#].*$")
_LOCAL_FILE = re.compile(r"^.*\?d=")
"""How Label Studio refers to a file on its own disk."""
_UPLOAD_MARK = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""
_PADDING = re.compile(r"(?<!\d)0+(?=\d)")
_MASK_WORDS = re.compile(r"(?:^|[^a-z])(?:masks?|seg|segmentations?|annotations?|labels?|gt|ground_?truth)(?:$|[^a-z])")
_POOL = 5_000
"""Among so many names at most the nearest one is sought: it is looked up once a table, and for a sentence only."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The file that a row means, or several that it may mean; the smaller `distance`, the more of the row fits."""

    files: tuple[StagedFile, ...]
    distance: int

    @property
    def only(self) -> StagedFile | None:
        return self.files[0] if len(self.files) == 1 else None


_NOTHING = Found(files=(), distance=0)


class FileFinder:
    """The files there are, by every spelling of their names."""

    def __init__(self, files: Sequence[StagedFile]) -> None:
        self._names = [file.name for file in files[:: max(1, len(files) // _POOL)]]
        self._by_spelling: list[dict[str, list[StagedFile]]] = [{} for _ in _SPELLINGS]
        for file in files:
            last = _last(file.name)
            for spelled, by_key in zip(_SPELLINGS, self._by_spelling, strict=True):
                by_key.setdefault(spelled(last), []).append(file)

    def find(self, cell: str, table: str) -> Found:
        """What `cell` of the table at the path `table` means; no file where nothing fits."""
        for listed in _written(cell):
            for distance, spelled in enumerate(_SPELLINGS):
                near = self._by_spelling[distance].get(spelled(_last(listed)))
                if near and (files := _nearest(near, listed, table)):
                    shared = _shared_folders(files[0].name, listed)
                    return Found(files=tuple(files), distance=distance + (listed.count("/") - shared) * len(_SPELLINGS))
        return _NOTHING

    def nearest_name(self, cell: str) -> str:
        """The name that reads most like `cell`; empty when there is no file at all."""
        listed = next(_written(cell), "")
        return next(iter(difflib.get_close_matches(listed, self._names, n=1, cutoff=0.0)), "")


def looks_like_an_image(cell: str) -> bool:
    """Whether `cell` ends as the names of images do."""
    return cell.strip().rpartition(".")[2].casefold() in IMAGE_ENDINGS and "." in cell


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(last: str) -> str:
    stem, _, ending = last.rpartition(".")
    return stem if stem and ending.casefold() in IMAGE_ENDINGS else last


def _unpadded(last: str) -> str:
    return _PADDING.sub("", _stem(last).casefold())


_SPELLINGS: Sequence[Callable[[str], str]] = (
    str,
    str.casefold,
    _stem,
    lambda last: _stem(last).casefold(),
    _unpadded,
)
"""How a last part is compared, the strictest way first."""


def _written(cell: str) -> Iterator[str]:
    """The names that `cell` may mean, cleaned, the most literal one first."""
    text = _LOCAL_FILE.sub("", cell.strip().replace("\\", "/"))
    if "://" in text:
        text = _QUERY.sub("", text)
    text = _FROM_ELSEWHERE.sub("", text)
    readings = dict.fromkeys((text, unquote(text)))
    for reading in list(readings):
        folder, slash, last = reading.rpartition("/")
        readings[folder + slash + _UPLOAD_MARK.sub("", last)] = None
    yield from (name for reading in readings if (name := clean_name(reading)))


def _nearest(near: Sequence[StagedFile], listed: str, table: str) -> Sequence[StagedFile]:
    """Those of `near` that fit best: where the row says, below the table, in a folder that it is called after; and no
    masks where there are pictures."""
    if "/" in listed:
        near = [file for file in near if not _elsewhere(file.name, listed)]
    if len(near) < 2:
        return near
    folder, _, last = table.rpartition("/")
    places = {f"{folder}/{listed}" if folder else listed: 2, listed: 1}
    stem = last.rpartition(".")[0].casefold()
    split = split_of(stem)
    ways: tuple[Callable[[str], int], ...] = (
        lambda name: places.get(name, 0),
        lambda name: _shared_folders(name, listed),
        lambda name: not folder or name.startswith(folder + "/"),
        lambda name: max((len(part) for part in name.split("/")[:-1] if part.casefold() in stem), default=0),
        lambda name: split is not None and split in map(split_of, name.split("/")[:-1]),
        lambda name: not _MASK_WORDS.search(name.rpartition("/")[0].casefold()),
        lambda name: name.casefold().endswith(
            _PHOTOGRAPHS
        ),  # a drawing beside a photograph of its name is the mask of it
    )
    for way in ways:
        if len(near) > 1:
            most = max(way(file.name) for file in near)
            near = [file for file in near if way(file.name) == most]
    return near


def _shared_folders(name: str, listed: str) -> int:
    """How many folders, from the last one up, are called the same."""
    pairs = zip(reversed(name.split("/")[:-1]), reversed(listed.split("/")[:-1]), strict=False)
    count = 0
    for one, other in pairs:
        if one.casefold() != other.casefold():
            break
        count += 1
    return count


def _elsewhere(name: str, listed: str) -> bool:
    """Whether the row means a file of another split."""
    here, there = ({split_of(part) for part in path.split("/")[:-1]} - {None} for path in (name, listed))
    return bool(here and there) and not here & there
