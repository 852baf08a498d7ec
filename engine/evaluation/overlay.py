"""Overlay: a heat map laid over the picture it belongs to, in colours that everybody can tell apart, as PNG.

Not here: where heat maps come from (explain).
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

# Eleven even steps of cividis, which reads alike with and without colour vision deficiency (Nuñez, Anderton and Renslow
# 2018, doi:10.1371/journal.pone.0199239): from dark blue to yellow, each lighter than the one before.
_CIVIDIS = "00224e 083370 35456c 4f576c 666970 7d7c78 948e77 aea371 c8b866 e5cf52 fee838"
COLOURS = np.array([list(bytes.fromhex(colour)) for colour in _CIVIDIS.split()], dtype=np.float64)
_COLD, _HOT = 0.35, 0.75
"""How opaque the colour of 0 and that of 1 is."""


def overlay(picture: npt.NDArray[np.uint8], heat: np.ndarray) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3]: `picture` [H, W, 3] in grey, so that its own colours say nothing, under the colours of `heat`
    [H, W] in 0..1."""
    heat = np.clip(heat, 0.0, 1.0).astype(np.float64)
    steps = np.linspace(0.0, 1.0, len(COLOURS))
    colours = np.stack([np.interp(heat, steps, COLOURS[:, channel]) for channel in range(3)], axis=-1)
    grey = (picture @ np.array([0.299, 0.587, 0.114]))[..., None]
    opacity = (_COLD + (_HOT - _COLD) * heat)[..., None]
    return np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """`picture` [H, W, 3] as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
