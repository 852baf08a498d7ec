"""Float64: what of it a device can compute. Metal knows none, so what is exact is computed on the CPU there.

Not here: the number format of training (training.numerics). Importing this file does not import torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_WITHOUT = {"mps"}


def exact(tensor: "torch.Tensor") -> "torch.Tensor":
    """`tensor` in float64: where it is, or on the CPU where its device has no float64."""
    return (tensor.cpu() if tensor.device.type in _WITHOUT else tensor).double()


def widest(device: "torch.device") -> "torch.dtype":
    """The widest number format in which sums can stay on `device`."""
    import torch

    return torch.float32 if device.type in _WITHOUT else torch.float64
