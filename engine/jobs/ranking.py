"""Ranking: several backbones on the same training images, one pass each, by what can be read from their last features.

No weight moves and no validation or test image is looked at. Not here: which backbones are asked (candidates).
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.config import from_json
from engine.errors import EngineError
from engine.evaluation import separability
from engine.evaluation.separability import ProbeScore
from engine.events import Event, Progress, Result
from engine.jobs import records
from engine.jobs.probe import BATCH, asked, mean_of_positions, plain, sample_of
from engine.models.reuse import WARM
from engine.runs.session import Session, open_session
from engine.training.batches import cut, filled
from engine.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One backbone that could be asked."""

    row: records.RankedBackbone
    score: ProbeScore
    of: int
    """Training images of the dataset, of which the score's were looked at."""


def rank(workspace: Workspace, wanted: records.RankBackbones) -> Iterator[Event]:
    """Every backbone in turn, each judged on the same images; one that cannot be opened is listed with the reason."""
    base, looked, failed = from_json(wanted.config), [], []
    for backbone, weights in wanted.backbones:
        config = asked(replace(base, backbone=backbone, weights=weights))
        try:
            session = yield from open_session(config, workspace, config.device)
            with session.pixels:
                looked.append((yield from _look(session)))
            WARM.give_back(session.training.chain)
        except EngineError as error:
            failed.append(records.RankedBackbone(backbone=backbone, weights=weights, problem=str(error)))
        yield Progress(stage="probing backbones", done=len(looked) + len(failed), total=len(wanted.backbones))
    if not looked:
        raise EngineError(failed[0].problem if failed else "There is no backbone to rank. Name at least one.")
    yield Result.of(_ranking(looked, failed))


def _look(session: Session) -> Generator[Event, None, Looked]:
    """One pass of the sampled images through the whole backbone."""
    taken, labels = sample_of(session)
    chain, features, seconds = session.training.chain, [], 0.0
    chain.train_blocks(())
    source = session.source(session.training_images)
    for _, inputs in filled(source, cut(taken, BATCH), epoch=None):
        started = time.perf_counter()
        with session.training.autocast(), torch.no_grad():
            means = mean_of_positions(chain(inputs, 0, len(chain.blocks) - 1)).cpu().double().numpy()
        seconds += time.perf_counter() - started
        features.append(means)
        yield Progress(stage="looking at images", done=sum(map(len, features)), total=len(taken))
    score = separability.ridge_score(np.concatenate(features), labels)
    row = records.RankedBackbone(
        backbone=session.config.backbone,
        weights=session.config.weights,
        ridge=plain(score),
        milliseconds=1000 * seconds / len(taken),
    )
    return Looked(row=row, score=score, of=len(session.training_images))


def _ranking(looked: list[Looked], failed: list[records.RankedBackbone]) -> records.Ranking:
    """The best first, of equals the faster; then those not shown to be worse, by the test that blocks are judged by."""
    ordered = sorted(looked, key=lambda one: (-one.score.accuracy, one.row.milliseconds))
    alike = separability.not_shown_worse([one.score for one in ordered], best=0)
    rest = [one for place, one in enumerate(ordered) if place and place not in alike]
    rows = [ordered[0], *(ordered[place] for place in alike), *rest]
    return records.Ranking(
        rows=(*(one.row for one in rows), *failed),
        alike=len(alike),
        images=len(ordered[0].score.correct),
        of=ordered[0].of,
    )
