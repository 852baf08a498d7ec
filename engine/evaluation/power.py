"""Power: how many images it takes to show a difference. Planning only; the test itself is paired's."""

import math

from scipy.special import ndtri, stdtrit

TARGET_POWER = 0.8
"""How often a difference of the stated size would be shown; the usual convention."""


def images_needed(
    difference: float,
    image_variance: float,
    seed_variance: float = 0.0,
    *,
    freedom: float = math.inf,
    alpha: float = 0.05,
) -> int | None:
    """How many images show a true `difference` at `alpha` with TARGET_POWER; None where the seeds alone hide it from
    any number.

    `image_variance` is of one image's difference (for one seed: discordance - difference²), `seed_variance` of the mean
    difference, with its degrees of `freedom`. Normal approximation.
    """
    quantile = -ndtri(alpha / 2) if math.isinf(freedom) else -stdtrit(freedom, alpha / 2)
    allowed = (difference / (quantile + ndtri(TARGET_POWER))) ** 2
    return math.ceil(image_variance / (allowed - seed_variance)) if allowed > seed_variance else None
