"""Equality: how far the answers of an exported model may be from those of this program.

Not here: what is compared (script, onnx_file).
"""

import numpy as np

from engine.errors import RunError

EXACT = 1e-5
"""Largest difference of a probability when both sides compute in float32 on the CPU."""
CONVERTED = 1e-4
"""The same when another runtime computes."""
COARSE = 0.1
"""The same when the other side computed on a GPU or in fewer bits; the weights of another run differ by more."""


def demand_equal(given: np.ndarray, expected: np.ndarray, *, allowed: float, what: str) -> float:
    """The largest difference; RunError when it is more than `allowed`, or not a number."""
    difference = float(np.abs(given - expected).max()) if given.shape == expected.shape else float("inf")
    if difference <= allowed:
        return difference
    raise RunError(
        f"The exported model does not answer as {what}: a probability differs by {difference:.2g} where {allowed:g} "
        f"is allowed. Nothing was exported. If no file of the run was changed by hand, report it: it is a defect."
    )
