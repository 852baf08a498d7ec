"""Painting: one picture of the sample dataset, drawn from a random generator; a patterned thing in a cluttered meadow
of colour.

Patterns share bodies and palettes, so that neither outline nor colour alone gives the class away. Files and labels are
sample's.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow
from PIL import ImageColor, ImageDraw, ImageFilter

Field = npt.NDArray[np.floating]
"""One number per pixel, or colours."""

SIDE = 256
_ACROSS, _DOWN = np.meshgrid(*[np.linspace(0, 1, SIDE, dtype=np.float32)] * 2)
_TURN = 2 * math.pi

# Ground from far to near, then the two colours of patterned bodies; each pair differs in lightness as well as in hue.
_PALETTES = (
    "#2f5d50 #7fa36b #d8d9a0 #f4efe1 #b4472e",  # meadow
    "#16324f #3f7ca6 #bfdde0 #fff3d6 #e07a3f",  # shallow sea
    "#3a2741 #8c4a63 #f0a47c #fbe6c4 #4a2c54",  # dusk
    "#4b3621 #a8763e #e9c46a #fdf6e3 #7a2e1d",  # autumn
    "#8d7b68 #c8b6a0 #efe6d8 #2f4858 #e8c39e",  # sand
    "#14281d #355834 #8aa05c #e8f0c9 #6b8f2a",  # forest
    "#6d7f94 #b5c4d1 #f2f5f7 #34506b #f7f3ea",  # frost
    "#4a1d3f #a23b72 #f2b5c4 #fdf0e0 #7d1f4e",  # heather
    "#0f1a2b #27435e #6f94a3 #f7d488 #1f6f78",  # night
    "#2d3a2e #7d6b4f #c9b78a #e7dcc0 #27505c",  # moss and stone
)


def paint(pattern: str, generator: np.random.Generator) -> pillow.Image:
    """A 256 x 256 RGB picture whose main subject carries `pattern`, one of PATTERNS; the same generator state, the same
    picture."""
    palette = np.array([ImageColor.getrgb(code) for code in str(generator.choice(_PALETTES)).split()]) / 255
    ground, colours = palette[:3], palette[3:] * generator.uniform(0.86, 1.06, (2, 1))
    if generator.random() < 0.5:
        colours = colours[::-1]
    canvas = _ground(ground, generator)
    if generator.random() < 0.45:  # something else in the distance, out of focus
        other = str(generator.choice([name for name in PATTERNS if name != pattern]))
        place = generator.choice([0.15, 0.85]) + generator.uniform(-0.1, 0.1), generator.uniform(0.1, 0.45)
        canvas = _place(canvas, other, generator, colours=colours, place=place, radius=generator.uniform(0.08, 0.14))
        canvas = _blur(canvas, generator.uniform(1.2, 2.4))
    canvas = _blades(canvas, ground, generator, count=int(generator.integers(4, 14)))
    (x, y), radius = generator.uniform((0.36, 0.4), 0.64), generator.uniform(0.17, 0.33)
    for _ in range(generator.choice([0, 1, 2], p=[0.45, 0.35, 0.2])):  # smaller ones behind it
        way, distance = generator.uniform(0, _TURN), radius * generator.uniform(1.0, 1.5)
        place = x + math.cos(way) * distance, y + math.sin(way) * distance
        small = radius * generator.uniform(0.4, 0.7)
        canvas = _place(canvas, pattern, generator, colours=colours, place=place, radius=small)
    canvas = _place(canvas, pattern, generator, colours=colours, place=(x, y), radius=radius)
    canvas = _blades(canvas, ground, generator, count=int(generator.integers(0, 5)))
    return _photograph(canvas, generator)


def _ground(colours: Field, generator: np.random.Generator) -> Field:
    """A soft landscape: three colours laid over cloud-like noise."""
    slope = _DOWN + generator.uniform(-0.5, 0.5) * (_ACROSS - 0.5)
    height = np.clip(0.75 * slope + 0.65 * (_clouds(generator, 3, 7, 15, 40) - 0.5) + 0.12, 0, 1)
    blend = [np.interp(height, (0, 0.5, 1), channel) for channel in colours.T]
    return np.stack(blend, axis=-1) * (0.97 + 0.15 * _clouds(generator, 24, 90))[..., None]


def _blades(canvas: Field, colours: Field, generator: np.random.Generator, *, count: int) -> Field:
    """Bent blades of grass or twigs that cross the picture, some in front of the subject."""
    layer, steps = pillow.fromarray(_bytes(canvas)), np.linspace(0, 1, 14)
    draw = ImageDraw.Draw(layer)
    for _ in range(count):
        foot, top, lean, bend = generator.normal((128, 134, 0, 0), (90, 55, 56, 28))
        middle, height = foot + lean * steps + bend * steps**2, SIDE + (top - SIDE) * steps
        thickness = generator.uniform(1.6, 5.2) * (1 - steps) + 0.5
        outline = [*zip(middle - thickness, height, strict=True), *zip(middle + thickness, height, strict=True)]
        outline[14:] = reversed(outline[14:])
        shade = _mix(colours[0], colours[2], generator.random()) * generator.uniform(0.75, 1.15)
        draw.polygon(outline, fill=tuple(_bytes(shade).tolist()))
    return np.asarray(layer, dtype=np.float32) / 255


def _place(
    canvas: Field,
    pattern: str,
    generator: np.random.Generator,
    *,
    colours: Field,
    place: tuple[float, float],
    radius: float,
) -> Field:
    """The canvas with a patterned body on it, turned at random: its shadow, then the body, rounded by light from above
    left."""
    angle = generator.uniform(0, _TURN)
    box = tuple(slice(max(0, int((at - 1.75 * radius) * SIDE)), int((at + 1.75 * radius) * SIDE)) for at in place[::-1])
    x, y = (_ACROSS[box] - place[0]) / radius, (_DOWN[box] - place[1]) / radius
    along, beside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    leafy = pattern == "leaves" or generator.random() < 0.15
    depth = np.clip(_leaf_depth(along, beside) if leafy else _pebble_depth(along, beside, generator), 0, 1)
    mask = np.clip(depth * radius * SIDE / 1.8, 0, 1)[..., None]
    warp = generator.uniform(0.06, 0.32) * (_clouds(generator, 5, 10)[box] - 0.5)
    ink = np.tanh(generator.uniform(2.0, 5.0) * PATTERNS[pattern](along + warp, beside - warp, generator))
    colours = np.clip(colours + generator.normal(0, 0.05, (2, 3)), 0, 1)
    surface = _mix(colours[0], colours[1], (0.5 + ink * generator.uniform(0.31, 0.5))[..., None])
    light = (0.66 + 0.42 * np.sqrt(depth * (2 - depth)) - 0.2 * (x + y)) * (0.94 + 0.12 * _clouds(generator, 150)[box])
    gloss = np.exp(-((x + 0.38) ** 2 + (y + 0.42) ** 2) * 9) * generator.uniform(0, 0.28)
    offset = int(radius * SIDE * 0.16) + 2
    shadow = _blur(np.roll(mask, (offset, offset // 2), (0, 1)), radius * SIDE * 0.12 + 2)
    shaded = canvas[box] * (1 - shadow * generator.uniform(0.35, 0.6))
    result = canvas.copy()
    result[box] = _mix(shaded, surface * light[..., None] + gloss[..., None], mask)
    return result


def _pebble_depth(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """How far inside a rounded stone each point lies: 1 in the middle, 0 at the rim, negative outside."""
    stretch, corners = generator.uniform(0.72, 1.0), generator.uniform(2.0, 3.4)
    radius = (np.abs(x) ** corners + np.abs(y / stretch) ** corners) ** (1 / corners)
    for harmonic in (2, 3, 5):
        radius = radius * (
            1 + generator.normal(0, 0.05) * np.cos(harmonic * np.arctan2(y, x) + generator.uniform(0, _TURN))
        )
    return 1 - radius


def _leaf_depth(x: Field, y: Field) -> Field:
    """Like `_pebble_depth`, for a pointed leaf along x."""
    along = np.clip(x / 1.25, -1, 1)
    return 0.62 * (1 - along**2) ** 0.8 * (1 - 0.3 * along) - np.abs(y)


def _wave(position: Field, generator: np.random.Generator, density: tuple[float, float]) -> Field:
    """A sine along `position` with a random phase and a density between the two."""
    return np.sin(_TURN * (generator.uniform(*density) * position + generator.random()))


def _dots(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """Discs on a triangular lattice."""
    step, size = generator.uniform(0.36, 0.6), generator.uniform(0.26, 0.38)
    row = np.round(y / (step * 0.866))
    column = x / step - row % 2 / 2
    return (size - np.hypot(column - np.round(column), y / step - row * 0.866)) * 6


def _veins(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """A midrib and side veins that lean towards the tip."""
    side = np.abs(np.sin(math.pi * generator.uniform(2.6, 4.2) * (x - np.abs(y) * generator.uniform(0.7, 1.2))))
    return np.minimum(side * 2.2 - 0.5, np.abs(y) * 22 - 0.9)


PATTERNS: dict[str, Callable[[Field, Field, np.random.Generator], Field]] = {
    "checker": lambda x, y, draw: 2.2 * _wave(x, draw, (0.8, 1.5)) * _wave(y, draw, (0.8, 1.5)),
    "dots": _dots,
    "leaves": _veins,
    "rings": lambda x, y, draw: _wave(np.hypot(x - draw.normal(0, 0.15), y - draw.normal(0, 0.15)), draw, (1.8, 3.2)),
    "stripes": lambda x, y, draw: _wave(x, draw, (1.5, 3.0)) + draw.normal(0, 0.2),
    "waves": lambda x, y, draw: _wave(x + draw.uniform(0.1, 0.2) * _wave(y, draw, (0.9, 1.6)), draw, (1.5, 2.6)),
}


def _photograph(canvas: Field, generator: np.random.Generator) -> pillow.Image:
    """What a camera adds: exposure, a warm or cool cast, darker corners, a little blur and grain."""
    corners = 1 - generator.uniform(0.2, 0.9) * ((_ACROSS - 0.5) ** 2 + (_DOWN - 0.5) ** 2)
    cast = (1 + np.array([1, 0, -1]) * generator.normal(0, 0.035)) * generator.uniform(0.9, 1.22)
    exposed: Field = np.clip(canvas * corners[..., None] * cast, 0, 1)
    if generator.random() < 0.3:
        exposed = _blur(exposed, generator.uniform(0.4, 1.1))
    grain = generator.standard_normal((SIDE, SIDE, 4), dtype=np.float32)
    return pillow.fromarray(_bytes(exposed + grain[..., :1] * generator.uniform(0.006, 0.024) + grain[..., 1:] * 0.006))


def _clouds(generator: np.random.Generator, *sizes: int) -> Field:
    """Smooth noise in about 0..1: random grids of growing fineness and falling weight, enlarged and added."""
    weights = 0.55 ** np.arange(len(sizes))
    grids = [pillow.fromarray(generator.random((size, size), dtype=np.float32)) for size in sizes]
    layers = [np.asarray(grid.resize((SIDE, SIDE), pillow.Resampling.BICUBIC)) for grid in grids]
    return np.asarray(np.average(layers, axis=0, weights=weights), dtype=np.float32)


def _blur(field: Field, radius: float) -> Field:
    """Gaussian blur of one field or of three colours [SIDE, SIDE, channels]."""
    picture = pillow.fromarray(_bytes(field).squeeze()).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, dtype=np.float32).reshape(field.shape) / np.float32(255)


def _bytes(field: Field) -> npt.NDArray[np.uint8]:
    return (np.clip(field, 0, 1) * 255).astype(np.uint8)


def _mix(first: Field, second: Field, share: Field | float) -> Field:
    return first + (second - first) * share
