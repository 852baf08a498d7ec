"""Near copies: which pictures are the same one, encoded, sized, cropped, mirrored or turned another way.

Two witnesses: a hash of the coarse picture names candidates without comparing all with all; the grey values and the
detail of 32 x 32 pixels decide (docs/near_copies.md has recall and false alarms). Pictures with little in them, such as
a stroke on white, are only compared as they lie: laid over each other, any two strokes are alike. Not here: identical
files (health.copies), what follows for the split (groups).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as pillow

from engine.data.grouping.alignment import SIDE, aligned, likeness, richness, through
from engine.data.grouping.connected import connected

LEAST_GREY, LEAST_DETAIL = 0.97, 0.90
"""Correlations, of grey values and of detail, from which on two rich pictures that were aligned are the same one."""
LEAST_AS_THEY_LIE = 0.98
"""Either correlation, of any two pictures turned or mirrored at most."""
RICH = 150
"""Pixels of 1024 on which the detail of a picture lies, that make it rich."""
PLAIN = 4.0
"""Grey levels: a picture whose standard deviation is below it shows too little to be known again."""
_FREQUENCIES = 8
_LEAST_COSINE = 0.75
"""Of coarse pictures that are worth a closer look."""
_TABLES = 16
_BUCKET = 8
"""Candidates taken from one bucket at most, so that a thousand like pictures do not take a million looks."""
_LOOKS = 3
"""Closer looks that each picture asks for at most, as the first of a pair and as the second; those most like it."""
_TOGETHER, _PART = 256, 1024
_KEY_BITS = 16


@dataclass(frozen=True, kw_only=True)
class NearCopy:
    """Two pictures (places) that are the same one, and the correlation of their grey values."""

    first: int
    second: int
    correlation: float


def signature(picture: pillow.Image) -> np.ndarray:
    """uint8 [32, 32]: what of a picture, or of its thumbnail, is compared."""
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), pillow.Resampling.BOX))


def near_copies(signatures: np.ndarray) -> tuple[NearCopy, ...]:
    """Pairs among uint8 [pictures, 32, 32], enough of them to link each picture with its copies; the surest first.

    Time grows with n log n, and beyond the signatures memory with about 300 bytes a picture.
    """
    telling = np.flatnonzero(signatures.std(axis=(1, 2)) >= PLAIN)
    if len(telling) < 2:
        return ()
    told = signatures[telling]
    found = []
    for looked in _batches(_candidates(told)):
        grey = _correlations(told, looked)
        for pair, correlation in zip(looked[grey > 0], grey[grey > 0], strict=True):
            one, other = sorted((int(telling[pair["first"]]), int(telling[pair["second"]])))
            found.append(NearCopy(first=one, second=other, correlation=float(min(correlation, 1.0))))
    return tuple(sorted(found, key=lambda pair: (-pair.correlation, pair.first, pair.second)))


def _correlations(told: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float32 [pairs]: the correlation of the grey values of those that are the same picture; 0 of all others."""
    first, second = (told[pairs[name]].astype(np.float32) for name in ("first", "second"))
    maps = _MAPS[pairs["variant"]]
    lying = likeness(first, second, maps)
    same = np.minimum(lying.grey, lying.detail) >= LEAST_AS_THEY_LIE
    grey = np.where(same, lying.grey, 0.0)
    open_ = np.flatnonzero(~same & (np.minimum(richness(first), richness(second)) >= RICH))
    if len(open_):
        first, second = first[open_], second[open_]
        laid = likeness(first, second, aligned(first, second, maps[open_]))
        same = (laid.grey >= LEAST_GREY) & (laid.detail >= LEAST_DETAIL)
        grey[open_] = np.where(same, laid.grey, 0.0)
    return grey


def clusters(pairs: Sequence[NearCopy], pictures: int) -> list[list[int]]:
    """Places of pictures that are the same one, directly or through others; only those that have a copy."""
    keys: list[list[int]] = [[] for _ in range(pictures)]
    for number, pair in enumerate(pairs):
        keys[pair.first].append(number)
        keys[pair.second].append(number)
    return [together for together in connected(keys) if len(together) > 1]


def _map(
    *, degrees: float = 0.0, scale: float = 1.0, centre: tuple[float, float] = (0, 0), mirrored: bool = False
) -> np.ndarray:
    turn = np.deg2rad(degrees)
    made = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    return np.column_stack([made * ([-1, 1] if mirrored else [1, 1]), centre])


_MAPS = np.stack(
    [
        *(_map(degrees=degrees, mirrored=mirrored) for mirrored in (False, True) for degrees in (0, 90, 180, 270)),
        *(_map(degrees=degrees) for degrees in (-10, -5, 5, 10)),
        *(_map(scale=scale, mirrored=mirrored) for mirrored in (False, True) for scale in (0.9, 0.8, 0.7)),
        *(_map(scale=0.85, centre=(x, y)) for x in (-0.15, 0.15) for y in (-0.15, 0.15)),
    ]
).astype(np.float32)
"""[variants, 2, 3]: as what a copy is looked for; the alignment reaches what lies between them."""
_PAIR = np.dtype([("first", np.int32), ("second", np.int32), ("variant", np.int16), ("cosine", np.float32)])


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """The coarse pictures float32 [pictures, d], and for each table places int64 [pictures] in the order of their keys,
    with the keys int64 [pictures]."""

    coarse: np.ndarray
    mean: np.ndarray
    planes: np.ndarray
    orders: tuple[np.ndarray, ...]
    keys: tuple[np.ndarray, ...]


def _candidates(told: np.ndarray) -> np.ndarray:
    """Records of _PAIR: those whose coarse pictures are alike, under some variant of the first; each pair once."""
    tables = _tables(told)
    found = [_alike(told, number, tables) for number in range(len(_MAPS))]
    pairs = np.concatenate([part for parts in found for part in parts])
    pairs = pairs[np.argsort(-pairs["cosine"], kind="stable")]
    low, high = np.minimum(pairs["first"], pairs["second"]), np.maximum(pairs["first"], pairs["second"])
    _, once = np.unique(low.astype(np.int64) * len(told) + high, return_index=True)
    pairs = pairs[np.sort(once)]
    return pairs[np.minimum(_rank(pairs["first"]), _rank(pairs["second"])) < _LOOKS]


def _rank(members: np.ndarray) -> np.ndarray:
    """int [pairs]: how often the same member occurs before, in the order given."""
    order = np.argsort(members, kind="stable")
    ordered, places = members[order], np.arange(len(members))
    begins = (
        np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], places, 0)) if len(order) else places
    )
    ranks = np.empty_like(order)
    ranks[order] = places - begins
    return ranks


def _tables(told: np.ndarray) -> _Tables:
    """Sixteen tables of signs of random projections (Charikar 2002): pictures with an angle t between them share a key
    of b bits with probability (1 - t / pi) ** b; as many bits as pictures fill."""
    operator = _operator(0)
    coarse = np.concatenate([_unit(_flat(told[part]) @ operator) for part in _parts(len(told))])
    # What all pictures share (a studio, a body) tells none from another. Half, because all may be copies of one.
    mean = coarse.mean(axis=0) * (0.5 * len(told) / (len(told) + 16))
    coarse = _unit(coarse - mean)
    bits = int(np.clip(np.ceil(np.log2(len(told))), 8, 16))
    planes = np.random.default_rng(0).standard_normal((coarse.shape[1], _TABLES * bits)).astype(np.float32)
    keys = _keys(coarse, planes)
    orders = tuple(np.argsort(column, kind="stable") for column in keys.T)
    ordered = tuple(column[order] for column, order in zip(keys.T, orders, strict=True))
    return _Tables(coarse=coarse, mean=mean, planes=planes, orders=orders, keys=ordered)


def _alike(told: np.ndarray, variant: int, tables: _Tables) -> list[np.ndarray]:
    """Of every picture, seen through this variant, those in its buckets that are alike."""
    operator, found = _operator(variant), []
    for part in _parts(len(told)):
        coarse = _unit(_unit(_flat(told[part]) @ operator) - tables.mean)
        first, second = _in_one_bucket(_keys(coarse, tables.planes), tables)
        cosine = np.einsum("nd,nd->n", coarse[first], tables.coarse[second])
        near = (cosine >= _LEAST_COSINE) & (first + part.start != second)
        pairs = np.zeros(int(near.sum()), dtype=_PAIR)
        pairs["first"], pairs["second"] = first[near] + part.start, second[near]
        pairs["variant"], pairs["cosine"] = variant, cosine[near]
        found.append(pairs)
    return found


def _in_one_bucket(keys: np.ndarray, tables: _Tables) -> tuple[np.ndarray, np.ndarray]:
    """(rows of `keys` [n, tables], places): those next to each other in a table whose leading bits are the same."""
    found = []
    for wanted, there, order in zip(keys.T, tables.keys, tables.orders, strict=True):
        at = np.searchsorted(there, wanted)
        for offset in range(-_BUCKET // 2, _BUCKET // 2):
            place = np.clip(at + offset, 0, len(there) - 1)
            same = np.flatnonzero(there[place] >> _KEY_BITS == wanted >> _KEY_BITS)
            found.append(same * len(there) + order[place[same]])
    rows, places = np.divmod(np.unique(np.concatenate(found)), len(tables.coarse))
    return rows, places


def _keys(coarse: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """int64 [n, tables]: the bits of a table, and behind them those of the next, which sort a bucket."""
    bits = planes.shape[1] // _TABLES
    signs = (coarse @ planes > 0).reshape(len(coarse), _TABLES, bits)
    leading = signs @ (1 << np.arange(bits))
    return np.asarray((leading << _KEY_BITS) | np.roll(leading, -1, axis=1))


def _operator(variant: int) -> np.ndarray:
    """float32 [1024, d]: from a picture to the lowest frequencies of its cosine transform under this variant, each
    weighted by its frequency, because pictures hold the less of it the higher it is."""
    steps = np.arange(_FREQUENCIES)
    waves = np.cos(np.pi * steps[:, None] * (np.arange(SIDE) + 0.5) / SIDE)
    weight = np.hypot(steps[:, None], steps)[:, :, None, None]
    basis = (weight * waves[:, None, :, None] * waves[None, :, None, :]).reshape(_FREQUENCIES**2, -1)[1:]
    return through(basis, _MAPS[variant])


def _flat(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat - flat.mean(axis=1, keepdims=True)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _PART) for start in range(0, count, _PART))


def _batches(pairs: np.ndarray) -> Iterator[np.ndarray]:
    return (pairs[start : start + _TOGETHER] for start in range(0, len(pairs), _TOGETHER))
