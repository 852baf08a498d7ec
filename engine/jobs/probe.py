"""Probe of a backbone: features of every block from one pass over some training images, and what can be read from them.

No weight moves. Controls say what is not the backbone's merit: colours, the most frequent class, and the same backbone
with random weights. Not here: the arithmetic (evaluation.separability).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.config import from_json
from engine.errors import DatasetError
from engine.evaluation import separability
from engine.evaluation.separability import ProbeScore
from engine.events import Event, Progress, Result
from engine.jobs import records
from engine.models.chain import Chain
from engine.models.loading import load_backbone
from engine.models.reuse import WARM
from engine.models.side_outputs import positions_of
from engine.runconfig import RunConfig
from engine.runs.session import Session, open_session
from engine.training.batches import cut, filled
from engine.training.freezing import starting_weights, validate
from engine.training.numerics import lay_out
from engine.workspace import Workspace

MOST_IMAGES = 500
BATCH = 32
_DECIDES = ("dataset", "backbone", "weights", "preprocessing", "image_size", "precision", "device", "seed")


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Means over positions, one row an image: of every block but the head, and of the colours."""

    blocks: tuple[np.ndarray, ...]
    """float64 [images, channels] each."""
    random: tuple[np.ndarray, ...]
    """The same of the backbone with random weights; empty where its weights are random anyway."""
    colours: np.ndarray
    """float64 [images, 6]: mean and deviation of each channel."""


def asked(config: RunConfig) -> RunConfig:
    """`config` with nothing in it that the probe does not depend on, so that equal questions have equal answers."""
    plain = RunConfig(dataset=config.dataset, backbone=config.backbone, strategy="linear_probe", views=0)
    kept = {name: getattr(config, name) for name in _DECIDES}
    return validate(replace(plain, **{**kept, "weights": starting_weights(config)}))


def probe(workspace: Workspace, wanted: records.OfConfig) -> Iterator[Event]:
    """How well classes can be read from every block of that run's backbone."""
    config = asked(from_json(wanted.config))
    session = yield from open_session(config, workspace, config.device)
    with session.pixels:
        made = yield from _of_session(session)
    WARM.give_back(session.training.chain)
    yield Result.of(made)


def _of_session(session: Session) -> Generator[Event, None, records.Probe]:
    taken, labels = sample_of(session)
    pooled = yield from _pass(session, taken)
    blocks = session.training.outline.blocks[:-1]
    rows: list[records.ProbedBlock] = []
    scores: list[ProbeScore] = []
    for block, features in zip(blocks, pooled.blocks, strict=True):
        scores.append(separability.ridge_score(features, labels))
        neighbours = plain(separability.neighbours_score(features, labels))
        rows.append(
            records.ProbedBlock(block=block.name, stage=block.stage, ridge=plain(scores[-1]), neighbours=neighbours)
        )
        yield Progress(stage="probing blocks", done=len(rows), total=len(blocks))
    suggestion = separability.suggest(scores)
    return records.Probe(
        blocks=tuple(rows),
        random=tuple(plain(separability.ridge_score(features, labels)) for features in pooled.random),
        controls=records.Controls(
            colours=plain(separability.ridge_score(pooled.colours, labels)),
            majority=plain(separability.majority_score(labels)),
        ),
        suggestion=_suggestion(session.training.chain, suggestion),
        images=len(labels),
        of=len(session.training_images),
    )


def sample_of(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """(places among the training images, labels) of those that are looked at; DatasetError where they are too few."""
    every = np.array([image.label for image in session.training_images], dtype=np.int64)
    if len(np.unique(every)) < 2 or len(every) < 4:
        raise DatasetError(
            f"The dataset {session.dataset.name} has too few training images to probe: it takes 4, of 2 classes."
        )
    taken = separability.stratified_sample(every, MOST_IMAGES, seed=session.config.seed)
    return taken, every[taken]


def _suggestion(chain: Chain, suggestion: separability.Suggestion) -> records.ProbeSuggestion:
    """With the strategy: how many of the last blocks, counted as last_n counts them, lie above the block."""
    block = suggestion.block
    weighted = [any(p.kind == "weight" for p in about.parameters) for about in chain.outline().blocks]
    return records.ProbeSuggestion(
        block=block,
        alike=suggestion.alike,
        name=chain.blocks[block].name,
        last_n=max(1, sum(weighted[block + 1 :])),
    )


def _pass(session: Session, taken: np.ndarray) -> Generator[Event, None, Pooled]:
    """One pass of the images at `taken` through the backbone and its random twin."""
    chains = [session.training.chain]
    if session.config.weights != "none":
        chains.append(_random_twin(session))
    source = session.source(session.training_images)
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in chains]
    colours: list[np.ndarray] = []
    done = 0
    for rows, inputs in filled(source, cut(taken, BATCH), epoch=None):
        moments = torch.cat([inputs.mean((2, 3)), inputs.std((2, 3))], 1)
        colours.append(moments.cpu().double().numpy())
        with session.training.autocast():
            for chain, features in zip(chains, parts, strict=True):
                features.append(pooled(chain, inputs))
        done += len(rows)
        yield Progress(stage="looking at images", done=done, total=len(taken))
    blocks, *random = (tuple(map(np.concatenate, zip(*features, strict=True))) for features in parts)
    return Pooled(blocks=blocks, random=random[0] if random else (), colours=np.concatenate(colours))


def _random_twin(session: Session) -> Chain:
    config = session.config
    classes, size = session.dataset.classes, session.preprocessing.crop
    chain, _ = load_backbone(
        session.workspace, config.backbone, "none", classes=classes, seed=config.seed, image_size=size
    )
    chain.model.to(session.training.device)
    lay_out(chain, session.numerics)
    return chain


@torch.no_grad()
def pooled(chain: Chain, inputs: torch.Tensor) -> tuple[np.ndarray, ...]:
    """Means over positions float64 [N, channels] of every block but the head, for images [N, 3, H, W]. Sets the chain
    to eval mode."""
    chain.train_blocks(())
    means, x = [], inputs
    for index in range(len(chain.blocks) - 1):
        x = chain(x, index, index + 1)
        means.append(mean_of_positions(x).cpu().double().numpy())
    return tuple(means)


def mean_of_positions(x: torch.Tensor) -> torch.Tensor:
    """[N, channels] of what a block gives for N images."""
    positions = positions_of(x)
    return x.float().mean(positions) if positions else x.float()


def plain(score: ProbeScore) -> records.Accuracy:
    """The score without its images."""
    return records.Accuracy(accuracy=score.accuracy, low=score.low, high=score.high)
