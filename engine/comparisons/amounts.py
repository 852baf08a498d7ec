"""Amounts: points, numbers of images and times as the sentences of a verdict say them."""

import math


def in_points(value: float) -> str:
    """One decimal; a small difference from zero keeps a digit, so that nothing is better "by 0.0 points"."""
    return f"{value:.1g}" if 0 < abs(value) < 0.05 else f"{value:.1f}"


def at_most(value: float) -> str:
    """A bound in points, rounded up."""
    return f"{math.ceil(10 * value - 1e-9) / 10:.1f}"


def at_least(value: float) -> str:
    """A bound in points, rounded down; one that is too small for a digit still says that there is something."""
    least = math.floor(10 * value + 1e-9) / 10
    return f"{least:.1f}" if least > 0 else "more than 0"


def span(low: float, high: float) -> str:
    """From one difference that is shown to a larger one, in points."""
    return f"{in_points(low) if low > 0 else 'more than 0'} to {in_points(high)}"


def roughly(count: int) -> str:
    """Two digits, upwards: a planning number is no more exact than that."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // step) * step:,}"


def counted(number: int, one: str, many: str) -> str:
    """ "1 image", "1,200 images"."""
    return f"{number:,} {one if number == 1 else many}"


def duration(seconds: float) -> str:
    """Of training: "0.4 s", "12 s", "20 min"."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
