"""Alignment: laying one small grey picture over another as well as an affine map can, and how alike they are then.

Works on many pairs at once. Not here: which pairs are worth it (near_copies), reading pictures.
"""

from dataclasses import dataclass

import numpy as np

SIDE = 32
_ROUNDS = 5
_LEAST_OVERLAP = 0.6
"""Of the second picture, that has to lie on the first."""
_LONGEST_STEP = 0.15
"""Of half a side, that one round may move a picture."""
_FINE, _COARSE = 0.7, 2.0
"""Pixels by which a picture is blurred: against sampling, and to leave what is detail."""

Pictures = np.ndarray
"""float32 [pairs, SIDE, SIDE]."""
_centres = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
_GRID = np.stack([*np.meshgrid(_centres, _centres), np.ones((SIDE, SIDE))]).reshape(3, -1).astype(np.float32)
"""x, y and 1 of every pixel, the picture reaching from -1 to 1."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """float32 [pairs]: correlation of the grey values, and of the detail that a blur would take away, where the
    pictures overlap."""

    grey: np.ndarray
    detail: np.ndarray


def likeness(first: Pictures, second: Pictures, maps: np.ndarray) -> Likeness:
    """How alike they are under `maps` [pairs, 2, 3], from the second picture to the first."""
    places = _places(maps)
    inside = _inside(places)
    inside *= inside.mean(axis=1, keepdims=True) >= _LEAST_OVERLAP
    one, other = (sampled(pictures, places) for pictures in (first, detail(first)))
    return Likeness(
        grey=_correlation(one, second.reshape(one.shape), inside),
        detail=_correlation(other, detail(second).reshape(one.shape), inside),
    )


def aligned(first: Pictures, second: Pictures, maps: np.ndarray) -> np.ndarray:
    """The best of `maps` [pairs, 2, 3] and five rounds of Gauss and Newton from them (Lucas and Kanade 1981; brightness
    and contrast are free, as in Evangelidis and Psarakis 2008)."""
    smooth, target = blurred(first, _FINE), blurred(second, _FINE).reshape(len(second), -1)
    down, across = np.gradient(smooth, axis=(1, 2))
    maps, best, reached = maps.astype(np.float32), maps.astype(np.float32), np.full(len(maps), -1, np.float32)
    for left in range(_ROUNDS, -1, -1):
        places = _places(maps)
        inside, laid = _inside(places), sampled(smooth, places)
        close = np.where(inside.mean(axis=1) >= _LEAST_OVERLAP, _correlation(laid, target, inside), -1.0)
        better = close > reached
        best, reached = np.where(better[:, None, None], maps, best), np.where(better, close, reached)
        if left:
            slopes = (sampled(across, places) * (SIDE / 2), sampled(down, places) * (SIDE / 2))
            maps = maps + _step(laid, target, slopes, inside=inside)
    return best


def detail(pictures: Pictures) -> Pictures:
    """What a blur takes away, less the noise of single pixels."""
    return blurred(pictures, _FINE) - blurred(pictures, _COARSE)


def richness(pictures: Pictures) -> np.ndarray:
    """float32 [pictures]: on how many pixels the detail lies (participation ratio); 1024 were it even."""
    squares = np.square(detail(pictures).reshape(len(pictures), -1))
    return np.asarray(squares.sum(axis=1) ** 2 / np.maximum((squares**2).sum(axis=1), 1e-9))


def blurred(pictures: Pictures, sigma: float) -> Pictures:
    """A Gaussian blur; edges go on outside."""
    reach = int(3 * sigma + 0.5)
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma))
    rows = np.zeros((SIDE, SIDE), dtype=np.float32)
    for offset, weight in zip(range(-reach, reach + 1), kernel / kernel.sum(), strict=True):
        np.add.at(rows, (np.arange(SIDE), np.clip(np.arange(SIDE) + offset, 0, SIDE - 1)), weight)
    return rows @ pictures @ rows.T


def through(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """float32 [SIDE * SIDE, d]: multiply a flat picture with it to have `values` [d, SIDE * SIDE] times the picture as
    it is `seen` [2, 3] through a map."""
    sampling, every = np.zeros((SIDE * SIDE, SIDE * SIDE), dtype=np.float32), np.arange(SIDE * SIDE)
    for pixels, weights in _corners(_places(seen[None])):
        sampling[pixels[0], every] += weights[0]
    return sampling @ values.T.astype(np.float32)


def sampled(pictures: Pictures, places: np.ndarray) -> np.ndarray:
    """float32 [pairs, n] between the pixels at `places` [pairs, 2, n] (x, y in pixels), bilinear; edges go on
    outside."""
    flat = pictures.reshape(len(pictures), -1)
    parts = [np.take_along_axis(flat, pixels, 1) * weights for pixels, weights in _corners(places)]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)


def _corners(places: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four pixels [pairs, n] around each place and their weights."""
    places = np.clip(places, 0, SIDE - 1.001)
    whole = places.astype(np.int32)
    right, below = np.moveaxis(places - whole, 1, 0)
    corner = whole[:, 1] * SIDE + whole[:, 0]
    return [
        (corner, (1 - right) * (1 - below)),
        (corner + 1, right * (1 - below)),
        (corner + SIDE, (1 - right) * below),
        (corner + SIDE + 1, right * below),
    ]


def _places(maps: np.ndarray) -> np.ndarray:
    return np.asarray((maps.astype(np.float32) @ _GRID + 1) * (SIDE / 2) - 0.5)


def _inside(places: np.ndarray) -> np.ndarray:
    return np.asarray(((places > -0.5) & (places < SIDE - 0.5)).all(axis=1), dtype=np.float32)


def _step(
    laid: np.ndarray, target: np.ndarray, slopes: tuple[np.ndarray, np.ndarray], *, inside: np.ndarray
) -> np.ndarray:
    """The change of the maps [pairs, 2, 3] that brings contrast * laid + brightness closest to the target."""
    moves = [slope * coordinate for slope in slopes for coordinate in _GRID]
    columns = np.stack([*moves, laid, np.ones_like(laid)], axis=1)
    weighted = columns * inside[:, None]
    normal = weighted @ columns.transpose(0, 2, 1)
    normal += np.eye(8, dtype=np.float32) * (1e-5 * np.trace(normal, axis1=1, axis2=2) + 1e-6)[:, None, None]
    solved = np.linalg.solve(normal, weighted @ target[:, :, None])[:, :, 0]
    contrast = np.where(np.abs(solved[:, 6]) < 0.1, 1.0, solved[:, 6])
    return np.clip(solved[:, :6] / contrast[:, None], -_LONGEST_STEP, _LONGEST_STEP).reshape(-1, 2, 3)


def _correlation(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """[pairs] over the pixels `inside`; 0 where one of them is plain there."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    one = (one - (one * inside).sum(axis=1, keepdims=True) / count) * inside
    other = (other - (other * inside).sum(axis=1, keepdims=True) / count) * inside
    length = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) / np.maximum(length, 1e-3))
