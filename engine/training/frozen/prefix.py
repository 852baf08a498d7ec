"""Prefix: frozen blocks, computed so that an image gives the same bits in whatever company and whenever it is computed.

Kernels choose their order of summing by batch size and memory layout. On a CPU frozen blocks therefore see CHUNK images
at once, laid out in one of two ways, and an activation that was kept stands for one that would be computed anew, bit
for bit. On a GPU they see the batch as it comes. Not here: keeping activations (feature_cache).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engine.models.chain import Chain

CHUNK = 16


def through_frozen(chain: Chain, x: Tensor, *, start: int, stop: int) -> Tensor:
    """Blocks `start` to `stop` of `chain`, all in eval mode, for inputs [N, ...]; `x` itself when there are none.

    Call it under no_grad and the autocast of training.
    """
    if start >= stop:
        return x
    if x.device.type != "cpu":
        return chain(x, start, stop)
    blocks = chain.frozen_blocks(start, stop)
    made = [_chunk(blocks, part) for part in x.split(CHUNK)]
    return made[0] if len(made) == 1 else plain(torch.cat(made))


def plain(x: Tensor) -> Tensor:
    """`x` contiguous, or [N, C, H, W] with the channels last, and with the strides that usually go with it."""
    if is_channels_last(x):
        return x
    # where a size is 1 other strides are contiguous too, and kernels look at them
    return x.contiguous().view(-1).view(x.shape)


def is_channels_last(x: Tensor) -> bool:
    """Whether images [N, C, H, W] lie in memory pixel by pixel; where both layouts are the same bytes, they do not."""
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _chunk(blocks: Sequence[Callable[[Tensor], Tensor]], part: Tensor) -> Tensor:
    missing = CHUNK - len(part)
    x = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
    x = x.contiguous(memory_format=torch.channels_last) if is_channels_last(part) else plain(x)
    for block in blocks:
        x = plain(block(x))
    return plain(x[: len(part)])


def images_computed(images: int, kind: str) -> int:
    """How many images frozen blocks compute when given so many: a CPU fills up to a chunk."""
    return max(images, CHUNK) if kind == "cpu" else images
