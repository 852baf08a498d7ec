"""JPEG: how costly one is before it is decoded, and decoding it smaller.

A scan goes over the whole image: a file of 200 KB with thousands of them takes minutes. Not here: other formats.
"""

import re
from collections.abc import Iterator

from PIL import Image as pillow

MOST_SCANS = 100
"""Progressive files have about ten."""
_SCAN, _END = 0xDA, 0xD9
_SEQUENTIAL = (0xC0, 0xC1)
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length: restarts and the start of the image
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)


def scans(content: bytes) -> int:
    """At least how many scans are decoded of the first image of `content`: exact where there are many; what lies in its
    metadata or behind it (thumbnails, a video) does not count."""
    count, components = 0, b"none"
    for code, start in _segments(content):
        if code in _SEQUENTIAL:
            components = content[start + 7 : start + 8]
        count += code == _SCAN
        if code == _SCAN and content[start + 2 : start + 3] == components:
            break  # all of a sequential image in one scan: decoders stop here
        if count == 1 and code == _SCAN and (most := content.count(b"\xff\xda", start)) < MOST_SCANS:
            return 1 + most
    return count


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Marker and the place behind it, of every segment to the end of the image; entropy-coded data are passed over."""
    position = 0
    while marker := _MARKER.search(content, position):
        code, position = marker[1][0], marker.end()
        if code == _END:
            return
        yield code, position
        if code not in _BARE:
            position += int.from_bytes(content[position : position + 2], "big")


def draft_to(opened: pillow.Image, *, side: int, pixels: int) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth: as far as its shorter side keeps `side` pixels (0: not
    for that), and until no more than `pixels` are left."""
    shrink = max(1.0, min(opened.size) / side) if side else 1.0
    while shrink < 8 and (opened.width // int(shrink)) * (opened.height // int(shrink)) > pixels:
        shrink = next(step for step in (2, 4, 8) if step > shrink)
    if shrink > 1:
        opened.draft("RGB", (int(opened.width / shrink), int(opened.height / shrink)))
