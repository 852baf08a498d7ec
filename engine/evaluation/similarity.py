"""Similarity: which images lie close to each other in a space of features, and which look alike across splits.

Works in blocks, so that 20,000 images fit. Not here: the features, and reading images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

DIMENSIONS = 64
NEAREST = 5
MOST_BITS = 6
"""Of 64, in which two difference hashes may differ and still be of the same picture."""
MOST_PAIRS = 20_000
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class PrincipalComponents:
    """Principal components of features: coordinates float32 [images, d], and the share of the variance of each."""

    coordinates: np.ndarray
    explained: tuple[float, ...]
    components: PCA

    def place(self, features: np.ndarray) -> np.ndarray:
        """Coordinates [N, d] of other features."""
        return np.asarray(self.components.transform(features), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """Two images (their places) that look almost the same: bits that differ, and the cosine of their features."""

    first: int
    second: int
    bits: int
    cosine: float


def principal_components(features: np.ndarray) -> PrincipalComponents:
    """At most 64 principal components of features [images, d], two at least; the same for the same features."""
    images, size = features.shape
    count = min(DIMENSIONS, images, size)
    made = PCA(count, random_state=0).fit(features)
    shares = np.nan_to_num(made.explained_variance_ratio_)
    coordinates = np.asarray(made.transform(features), dtype=np.float32)
    if count < 2:
        coordinates, shares = np.pad(coordinates, ((0, 0), (0, 2 - count))), np.pad(shares, (0, 2 - count))
    return PrincipalComponents(
        coordinates=coordinates, explained=tuple(float(share) for share in shares), components=made
    )


def cosine_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine [N] of row with row; 0 where a row is all zero."""
    return np.asarray((_unit(first) * _unit(second)).sum(axis=1))


def nearest_neighbours(
    coordinates: np.ndarray, among: np.ndarray, count: int = NEAREST
) -> tuple[np.ndarray, np.ndarray]:
    """Places int32 [images, count] of the closest of the images at places `among`, the image itself left out, and their
    cosines.

    Where there are fewer than `count`, places are -1.
    """
    unit = _unit(coordinates)
    take = min(count, len(among))
    places, likeness = np.full((len(unit), count), -1, np.int32), np.zeros((len(unit), count), np.float32)
    for start in range(0, len(unit) if take else 0, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(unit)))
        close = unit[rows] @ unit[among].T
        close[rows[:, None] == among[None, :]] = -np.inf
        best = np.sort(np.argpartition(-close, take - 1, axis=1)[:, :take], axis=1)
        ranks = np.argsort(-np.take_along_axis(close, best, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(best, ranks, axis=1)
        value = np.take_along_axis(close, order, axis=1)
        there = np.isfinite(value)
        places[rows, :take] = np.where(there, among[order], -1)
        likeness[rows, :take] = np.where(there, value, 0)
    return places, likeness


def difference_hash(grey: np.ndarray) -> int:
    """The difference hash of a picture shrunk to grey [8, 9]: 64 bits, one for every step from left to right."""
    return int(np.packbits(grey[:, 1:] > grey[:, :-1]).view(">u8")[0])


def near_duplicates(
    hashes: Sequence[int], splits: Sequence[str], coordinates: np.ndarray, *, least: float
) -> tuple[NearDuplicate, ...]:
    """Pairs of images from different splits with nearly equal hashes and a cosine of at least `least`; the closest
    first."""
    bits, unit = np.array(hashes, dtype=np.uint64), _unit(coordinates)
    names = sorted(set(splits))
    part = np.array([names.index(split) for split in splits])
    found: list[NearDuplicate] = []
    for start in range(0, len(bits), _BLOCK):
        differ = np.bitwise_count(bits[start : start + _BLOCK, None] ^ bits[None, start:])
        near = (differ <= MOST_BITS) & (part[start : start + _BLOCK, None] != part[None, start:])
        if len(found) >= MOST_PAIRS:  # thousands of blank images: pairs of them say nothing more
            break
        for row, column in zip(*(places[:MOST_PAIRS] for places in np.nonzero(near)), strict=True):
            if column > row:
                first, second = start + int(row), start + int(column)
                if (cosine := float(unit[first] @ unit[second])) >= least:
                    distance = int(differ[row, column])
                    found.append(NearDuplicate(first=first, second=second, bits=distance, cosine=min(cosine, 1.0)))
    return tuple(sorted(found, key=lambda pair: (pair.bits, -pair.cosine, pair.first, pair.second)))


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
