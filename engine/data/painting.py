"""Painting: one picture of the sample dataset, drawn from a random generator; a patterned thing in a cluttered meadow
of colour.

Patterns share bodies and palettes, so that neither outline nor colour alone gives the class away. Files and labels are
sample's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow
from PIL import ImageDraw, ImageFilter

Field = npt.NDArray[np.float32]
"""One number per pixel."""

SIDE = 256
_CANVAS = 320
"""Drawn larger and reduced, which smooths every edge."""

# Ground from far to near, then the two colours of patterned bodies; each pair differs in lightness as well as in hue.
_PALETTES = (
    ("#2f5d50 #7fa36b #d8d9a0", "#f4efe1 #b4472e"),  # meadow
    ("#16324f #3f7ca6 #bfdde0", "#fff3d6 #e07a3f"),  # shallow sea
    ("#3a2741 #8c4a63 #f0a47c", "#fbe6c4 #4a2c54"),  # dusk
    ("#4b3621 #a8763e #e9c46a", "#fdf6e3 #7a2e1d"),  # autumn
    ("#8d7b68 #c8b6a0 #efe6d8", "#2f4858 #e8c39e"),  # sand
    ("#14281d #355834 #8aa05c", "#e8f0c9 #6b8f2a"),  # forest
    ("#6d7f94 #b5c4d1 #f2f5f7", "#34506b #f7f3ea"),  # frost
    ("#4a1d3f #a23b72 #f2b5c4", "#fdf0e0 #7d1f4e"),  # heather
    ("#0f1a2b #27435e #6f94a3", "#f7d488 #1f6f78"),  # night
    ("#2d3a2e #7d6b4f #c9b78a", "#e7dcc0 #27505c"),  # moss and stone
)


@dataclass(frozen=True, kw_only=True)
class _Body:
    """Where a patterned thing lies, in canvas pixels, and how it is turned."""

    x: float
    y: float
    radius: float
    angle: float


def paint(pattern: str, generator: np.random.Generator) -> pillow.Image:
    """A 256 x 256 RGB picture whose main subject carries `pattern`, one of PATTERNS; the same generator state, the same
    picture."""
    ground, pair = _PALETTES[generator.integers(len(_PALETTES))]
    canvas = _ground(_colours(ground), generator)
    colours = _colours(pair) * generator.uniform(0.86, 1.06, (2, 1)) + generator.normal(0, 0.04, (2, 3))
    if generator.random() < 0.5:
        colours = colours[::-1]
    others = [name for name in PATTERNS if name != pattern]
    if generator.random() < 0.45:  # something else in the distance, out of focus
        far = _Body(
            x=_near_edge(generator),
            y=generator.uniform(0.1, 0.45) * _CANVAS,
            radius=generator.uniform(26, 44),
            angle=_turn(generator),
        )
        canvas = _place(
            canvas, str(generator.choice(others)), far, colours=_jitter(colours, generator), generator=generator
        )
        canvas = _blur(canvas, generator.uniform(1.5, 3.0))
    canvas = _blades(canvas, _colours(ground), generator, count=int(generator.integers(4, 14)), blur=2.0)
    for body in _group(generator):
        canvas = _place(canvas, pattern, body, colours=_jitter(colours, generator), generator=generator)
    canvas = _blades(canvas, _colours(ground), generator, count=int(generator.integers(0, 5)), blur=1.2)
    return _photograph(canvas, generator)


def _group(generator: np.random.Generator) -> list[_Body]:
    """One large body, sometimes with one or two smaller ones behind it."""
    main = _Body(
        x=_CANVAS * generator.uniform(0.36, 0.64),
        y=_CANVAS * generator.uniform(0.4, 0.64),
        radius=_CANVAS * generator.uniform(0.17, 0.33),
        angle=_turn(generator),
    )
    count = int(generator.choice([0, 1, 2], p=[0.45, 0.35, 0.2]))
    around = []
    for _ in range(count):
        way, radius = _turn(generator), main.radius * generator.uniform(0.4, 0.7)
        distance = main.radius * generator.uniform(1.0, 1.5)
        around.append(
            _Body(
                x=main.x + math.cos(way) * distance,
                y=main.y + math.sin(way) * distance,
                radius=radius,
                angle=_turn(generator),
            )
        )
    return [*around, main]


def _ground(colours: Field, generator: np.random.Generator) -> Field:
    """A soft landscape: three colours laid over cloud-like noise, lighter towards the light, with discs of light out of
    focus.

    It has no sharp detail, so it is made at half the size and enlarged.
    """
    side = _CANVAS // 2
    across, down = (grid[::2, ::2] for grid in _grid())
    tilt = generator.uniform(-0.5, 0.5)
    height = (
        0.75 * (down + tilt * (across - 0.5)) + 0.65 * (_clouds(generator, (3, 7, 15, 40), (side, side)) - 0.5) + 0.12
    )
    position = np.clip(height, 0, 1)[..., None] * 2
    canvas = np.where(
        position < 1, _mix(colours[0], colours[1], position), _mix(colours[1], colours[2], position - 1)
    ).astype(np.float32)
    canvas *= (0.97 + 0.15 * _clouds(generator, (24, 90), (side, side)))[..., None]
    layer = pillow.new("L", (side, side))
    draw = ImageDraw.Draw(layer)
    for _ in range(int(generator.integers(5, 20))):
        x, y, radius = generator.uniform(0, side), generator.uniform(0, side) * 0.8, generator.uniform(3, 17)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(generator.integers(25, 110)))
    shine = _blur(np.asarray(layer, dtype=np.float32) / np.float32(255), 1.75)[..., None] * generator.uniform(0.3, 0.9)
    canvas = _mix(canvas, np.clip(colours[2] * 1.25, 0, 1), shine)
    small = pillow.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    return np.asarray(small.resize((_CANVAS, _CANVAS), pillow.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)


def _blades(canvas: Field, colours: Field, generator: np.random.Generator, *, count: int, blur: float) -> Field:
    """Bent blades of grass or twigs that cross the picture, some in front of the subject."""
    layer = pillow.new("RGBA", (_CANVAS, _CANVAS))
    draw = ImageDraw.Draw(layer)
    for _ in range(count):
        foot, top = generator.uniform(-0.1, 1.1) * _CANVAS, generator.uniform(0.15, 0.9) * _CANVAS
        lean, bend = generator.normal(0, 70), generator.normal(0, 35)
        steps = np.linspace(0, 1, 14)
        xs, ys = foot + lean * steps + bend * steps**2, _CANVAS + 8 - (_CANVAS + 8 - top) * steps
        thickness = generator.uniform(2.0, 6.5) * (1 - steps) + 0.6
        shade = np.clip(_mix(colours[0], colours[2], generator.random()) * generator.uniform(0.75, 1.15), 0, 1)
        outline = [*zip(xs - thickness, ys, strict=True), *reversed([*zip(xs + thickness, ys, strict=True)])]
        draw.polygon([(float(x), float(y)) for x, y in outline], fill=(*(int(value * 255) for value in shade), 235))
    pixels = np.asarray(layer.convert("RGBa").filter(ImageFilter.BoxBlur(blur)), dtype=np.float32) / 255
    return (canvas * (1 - pixels[..., 3:]) + pixels[..., :3]).astype(
        np.float32
    )  # colours already carry their opacity, so no dark fringe


def _place(canvas: Field, pattern: str, body: _Body, *, colours: Field, generator: np.random.Generator) -> Field:
    """Lay a patterned body on the canvas: shadow first, then the body, rounded by light from above left."""
    reach = body.radius * 1.75
    rows, columns = (slice(max(0, int(middle - reach)), max(1, int(middle + reach))) for middle in (body.y, body.x))
    patch = canvas[rows, columns]
    across, down = (grid[rows, columns] for grid in _grid())
    x, y = (across * _CANVAS - body.x) / body.radius, (down * _CANVAS - body.y) / body.radius
    along, beside = (
        x * math.cos(body.angle) + y * math.sin(body.angle),
        y * math.cos(body.angle) - x * math.sin(body.angle),
    )
    leafy = pattern == "leaves" or generator.random() < 0.15
    inside = _leaf_depth(along, beside) if leafy else _pebble_depth(along, beside, generator)
    mask = np.clip(inside * body.radius / 2.2, 0, 1)
    warp = generator.uniform(0.06, 0.32) * (_clouds(generator, (4, 8), patch.shape[:2]) - 0.5)
    ink = 0.5 + 0.5 * np.tanh(generator.uniform(2.0, 5.0) * PATTERNS[pattern](along + warp, beside - warp, generator))
    surface = _mix(colours[0], colours[1], (0.5 + (ink - 0.5) * generator.uniform(0.62, 1.0))[..., None])
    dome = np.sqrt(np.clip(inside * (2 - inside), 0, 1))
    light = (0.66 + 0.42 * dome - 0.2 * (x + y) * mask) * (0.94 + 0.12 * _clouds(generator, (60, 120), patch.shape[:2]))
    gloss = np.exp(-((x + 0.38) ** 2 + (y + 0.42) ** 2) * 9) * generator.uniform(0, 0.28)
    surface = surface * light[..., None] + gloss[..., None]
    offset = int(body.radius * 0.16) + 3
    shadow = _blur(np.roll(mask, (offset, offset // 2), (0, 1)), body.radius * 0.12 + 2) * generator.uniform(0.35, 0.6)
    shaded = patch * (1 - shadow * (1 - mask))[..., None]
    result = canvas.copy()
    result[rows, columns] = shaded + (surface - shaded) * mask[..., None]
    return result


def _pebble_depth(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """How far inside a rounded stone each point lies: 1 in the middle, 0 at the rim, negative outside."""
    way = np.arctan2(y, x)
    stretch, corners = generator.uniform(0.72, 1.0), generator.uniform(2.0, 3.4)
    radius = (np.abs(x) ** corners + np.abs(y / stretch) ** corners) ** (1 / corners)
    for harmonic in (2, 3, 5):
        radius = radius * (1 + generator.normal(0, 0.05) * np.cos(harmonic * way + generator.uniform(0, 6)))
    return (1 - radius).astype(np.float32)


def _leaf_depth(x: Field, y: Field) -> Field:
    """Like `_pebble_depth`, for a pointed leaf along x."""
    along = np.clip(x / 1.25, -1, 1)
    width = 0.62 * (1 - along**2) ** 0.8 * (1 - 0.3 * along)
    return np.where(np.abs(x) < 1.25, width - np.abs(y), -1).astype(np.float32)


def _rings(x: Field, y: Field, generator: np.random.Generator) -> Field:
    return np.sin(
        2
        * math.pi
        * generator.uniform(1.8, 3.2)
        * np.hypot(x - generator.normal(0, 0.15), y - generator.normal(0, 0.15))
        + _turn(generator)
    )


def _stripes(x: Field, y: Field, generator: np.random.Generator) -> Field:
    return np.sin(2 * math.pi * generator.uniform(1.5, 3.0) * x + _turn(generator)) + generator.normal(0, 0.2)


def _waves(x: Field, y: Field, generator: np.random.Generator) -> Field:
    height, length = generator.uniform(0.1, 0.2), generator.uniform(0.9, 1.6)
    return np.sin(
        2 * math.pi * generator.uniform(1.5, 2.6) * (x + height * np.sin(2 * math.pi * length * y + _turn(generator)))
        + _turn(generator)
    )


def _checker(x: Field, y: Field, generator: np.random.Generator) -> Field:
    density = math.pi * generator.uniform(1.6, 3.0)
    return 2.2 * np.sin(density * x + _turn(generator)) * np.sin(density * y + _turn(generator))


def _dots(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """Discs on a triangular lattice."""
    step, size = generator.uniform(0.36, 0.6), generator.uniform(0.26, 0.38)
    row = np.round(y / (step * 0.866))
    shift = np.where(row % 2 == 0, 0.0, 0.5)
    distance = np.hypot(x / step - shift - np.round(x / step - shift), (y - row * step * 0.866) / step)
    return (size - distance) * 6


def _veins(x: Field, y: Field, generator: np.random.Generator) -> Field:
    """A midrib and side veins that lean towards the tip."""
    side = np.abs(np.sin(math.pi * generator.uniform(2.6, 4.2) * (x - np.abs(y) * generator.uniform(0.7, 1.2))))
    return np.minimum(side * 2.2 - 0.5, np.abs(y) * 22 - 0.9)


PATTERNS: dict[str, Callable[[Field, Field, np.random.Generator], Field]] = {
    "checker": _checker,
    "dots": _dots,
    "leaves": _veins,
    "rings": _rings,
    "stripes": _stripes,
    "waves": _waves,
}


def _photograph(canvas: Field, generator: np.random.Generator) -> pillow.Image:
    """What a camera adds: exposure, a warm or cool cast, darker corners, a little blur and grain."""
    across, down = _grid()
    corners = 1 - generator.uniform(0.1, 0.45) * ((across - 0.5) ** 2 + (down - 0.5) ** 2) * 2
    cast = (1 + np.array([1, 0, -1]) * generator.normal(0, 0.035)).astype(np.float32)
    exposed = np.clip(canvas * corners[..., None] * (cast * generator.uniform(0.9, 1.22)), 0, 1)
    picture = pillow.fromarray((exposed * 255).astype(np.uint8)).resize((SIDE, SIDE), pillow.Resampling.LANCZOS)
    gamma = generator.uniform(0.85, 1.12)
    picture = picture.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)
    if generator.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.4, 1.1)))
    noise = generator.standard_normal((SIDE, SIDE, 4), dtype=np.float32)
    grain = noise[..., :1] * generator.uniform(1.5, 6.0) + noise[..., 1:] * 1.5
    return pillow.fromarray(np.clip(np.asarray(picture, dtype=np.float32) + grain, 0, 255).astype(np.uint8))


def _clouds(
    generator: np.random.Generator, sizes: tuple[int, ...], shape: tuple[int, ...] = (_CANVAS, _CANVAS)
) -> Field:
    """Smooth noise in about 0..1: random grids of growing fineness and falling weight, enlarged and added."""
    total, weight, weights = np.zeros(shape, dtype=np.float32), 1.0, 0.0
    for size in sizes:
        grid = pillow.fromarray(generator.random((size, size), dtype=np.float32))
        total += weight * np.asarray(grid.resize((shape[1], shape[0]), pillow.Resampling.BICUBIC))
        weights, weight = weights + weight, weight * 0.55
    return total / np.float32(weights)


@cache
def _grid() -> tuple[Field, Field]:
    """How far across and how far down each pixel lies, 0..1."""
    line = np.linspace(0, 1, _CANVAS, dtype=np.float32)
    across, down = np.meshgrid(line, line)
    return across, down


def _blur(field: Field, radius: float) -> Field:
    """Gaussian blur of one field or of three colours; a wide one is made on a smaller copy, where it is cheap."""
    picture = pillow.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    shrink = min(4, max(1, int(radius / 2)))
    blurred = picture.reduce(shrink).filter(ImageFilter.GaussianBlur(radius / shrink))
    return np.asarray(blurred.resize(picture.size, pillow.Resampling.BILINEAR), dtype=np.float32) / np.float32(255)


def _mix(first: npt.NDArray, second: npt.NDArray, share: npt.NDArray | float) -> Field:
    return (first + (second - first) * share).astype(np.float32)


def _colours(text: str) -> Field:
    return np.array(
        [[int(code[start : start + 2], 16) / 255 for start in (1, 3, 5)] for code in text.split()], dtype=np.float32
    )


def _jitter(colours: npt.NDArray, generator: np.random.Generator) -> Field:
    return np.clip(colours + generator.normal(0, 0.035, (2, 3)), 0, 1).astype(np.float32)


def _near_edge(generator: np.random.Generator) -> float:
    return float(
        _CANVAS * (generator.uniform(0.05, 0.25) if generator.random() < 0.5 else generator.uniform(0.75, 0.95))
    )


def _turn(generator: np.random.Generator) -> float:
    return float(generator.uniform(0, 2 * math.pi))
