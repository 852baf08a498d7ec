"""Mixing: pairs of images and labels blended by torchvision, which draws from the generator seeded per step."""

from collections.abc import Callable

import torch

Mixer = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def mixer(kind: str, classes: int) -> Mixer | None:
    """MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019), which turn class numbers into shares [N, classes]."""
    if kind == "none" or classes < 2:
        return None
    from torchvision.transforms import v2  # here, because it takes a while to load

    return v2.MixUp(alpha=0.2, num_classes=classes) if kind == "mixup" else v2.CutMix(alpha=1.0, num_classes=classes)
