"""What the strategies of fixed depth train of a backbone: shares of its parameters and of its forward cost."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from engine.models import registry
from engine.models.chain import Chain
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for
from engine.training.plan import prefix_length, trainable_size

STRATEGIES = ("linear_probe", "last_block", "last_stage", "full_finetune")


@dataclass(frozen=True, kw_only=True)
class Share:
    """In percent."""

    parameters: float
    cost: float
    """Of the multiplications of a forward pass, from the first block that trains on."""

    def __str__(self) -> str:
        return f"{self.parameters:.1f} / {self.cost:.1f}"


def shares(chain: Chain) -> list[Share]:
    """Of STRATEGIES, in their order, for images of the side that the default weights were made for."""
    chain.train_blocks(())
    outline, costs = chain.outline(), _costs(chain)
    found = []
    for strategy in STRATEGIES:
        phase = plan_for(outline, RunConfig(dataset="", backbone=chain.backbone, strategy=strategy, epochs=1)).phases[0]
        trained, behind = trainable_size(outline, phase), sum(costs[prefix_length(outline, phase) :])
        found.append(Share(parameters=100 * trained / outline.size, cost=100 * behind / sum(costs)))
    return found


class _Blocks(nn.Module):
    """A pass through the blocks of a chain that counts what each multiplies."""

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self.blocks, self.model = chain.blocks, chain.model

    def forward(self, x: Tensor) -> list[int]:
        costs = []
        for block in self.blocks:
            with FlopCounterMode(display=False) as counter:
                x = block.evaluating(self.model, x)
            costs.append(counter.get_total_flops())
        return costs


@torch.no_grad()
def _costs(chain: Chain) -> list[int]:
    about = registry.describe(chain.backbone)
    side = about.input_size if about.size_step == 1 else chain.input_size
    counting = _Blocks(chain)
    shapes = {name: tensor.to("meta") for name, tensor in counting.state_dict(keep_vars=True).items()}
    costs: list[int] = torch.func.functional_call(counting, shapes, (torch.empty(1, 3, side, side, device="meta"),))
    return costs
