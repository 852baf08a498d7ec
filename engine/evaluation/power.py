"""Power: what so many images can show, and how many it takes to show so much. Planning only; nothing here judges a
result.

`discordance` is the share of images that exactly one of the two models gets right. Not here: the test itself (paired).
"""

import math

import numpy as np
from scipy.special import bdtr, bdtrc, gammaln, ndtri, stdtrit

TARGET_POWER = 0.8
"""How often a difference of the stated size would be shown; the usual convention."""


def mcnemar_power(difference: float, discordance: float, images: int, *, alpha: float = 0.05) -> float:
    """How often McNemar's mid-p test at `alpha` shows a true `difference` on so many images, summed over all
    outcomes."""
    if not 0 <= difference <= discordance <= 1:
        raise ValueError(
            f"the difference {difference} lies between 0 and the discordance {discordance}, which is at most 1"
        )
    if discordance == 0:
        return 0.0
    middle, reach = images * discordance, 8 * math.sqrt(images * discordance) + 8
    total = np.arange(max(0, int(middle - reach)), min(images, int(middle + reach)) + 1)
    chance = np.exp(_log_binomial(total, images, discordance))
    critical, share = _critical(total, alpha), (1 + difference / discordance) / 2
    few, many = critical, total - critical
    rejected = np.where(
        critical < 0, 0.0, bdtr(np.maximum(few, 0), total, share) + bdtrc(np.maximum(many - 1, 0), total, share)
    )
    return float((chance * np.where(many <= 0, 0.0, rejected)).sum())


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


def _critical(total: np.ndarray, alpha: float) -> np.ndarray:
    """For each number of discordant images the largest smaller count that is still rejected; -1 for none."""
    guess = np.maximum(0, np.floor(total / 2 + ndtri(alpha / 2) * np.sqrt(total) / 2).astype(np.int64))
    critical = np.full(len(total), -1, dtype=np.int64)
    for step in range(-4, 5):
        count = guess + step
        fits = (count >= 0) & (2 * count < total)
        safe = np.where(fits, count, 0)
        below = np.where(safe > 0, bdtr(np.maximum(safe - 1, 0), total, 0.5), 0.0)
        mid_p = below + bdtr(safe, total, 0.5)
        critical = np.where(fits & (mid_p <= alpha), np.maximum(critical, count), critical)
    return critical


def _log_binomial(counts: np.ndarray, images: int, share: float) -> np.ndarray:
    """Logarithm of the binomial probability; `2**n` and factorials overflow, lgamma does not."""
    ways = gammaln(images + 1) - gammaln(counts + 1) - gammaln(images - counts + 1)
    rest = np.where(counts < images, (images - counts) * np.log1p(-min(share, 1 - 1e-16)), 0.0)
    return np.asarray(ways + counts * math.log(share) + rest)
