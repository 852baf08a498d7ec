"""Ranking records: which backbones can be ranked here and now, and what came out in a sentence. Loads without torch.

Not here: the passes (ranking).
"""

from collections.abc import Iterable

from engine.jobs import records
from engine.models.catalog import Catalog
from engine.runconfig import RunConfig
from engine.store.job_store import Job

Candidate = tuple[str, str]
"""(backbone, weights as in RunConfig)"""


def candidates(catalog: Catalog, jobs: Iterable[Job], configs: Iterable[RunConfig]) -> tuple[Candidate, ...]:
    """Everything that starts without a download: published weights on this disk, one set a backbone, and files that
    were brought for a backbone, as a job that read one or a run that started from one knows."""
    published = [
        (info.name, "default" if entry.is_default else entry.name)
        for info in catalog.backbones
        for entry in [entry for entry in info.weights if entry.on_disk][:1]
    ]
    brought: list[Candidate] = []
    for job in jobs:
        read, made = job.arguments_as(records.ReadWeights), job.result_as(records.Weights)
        if read and made:
            brought.append((read.backbone, f"file:{made.weights}"))
    brought += [(config.backbone, config.weights) for config in configs if config.weights.startswith("file:")]
    return tuple(dict.fromkeys([*published, *sorted(brought)]))


def ranking_sentence(ranking: records.Ranking, titles: tuple[str, ...]) -> str:
    """Which one to take and what it cannot be told apart from; `titles` are the names of the rows, as shown."""
    best = ranking.rows[0]
    if best.ridge is None:
        return f"{titles[0]}: {best.problem}"
    reached = f"{titles[0]} reads these classes best: {best.ridge.accuracy:.1%}"
    asked = sum(row.ridge is not None for row in ranking.rows)
    if asked == 1:
        return f"{reached}. There is no other backbone to compare it with."
    if not ranking.alike:
        return f"{reached}; every other backbone is shown to be lower."
    alike = titles[1 : 1 + ranking.alike]
    listed = ", ".join(alike[:4]) + (f" and {len(alike) - 4} more" if len(alike) > 4 else "")
    rows = ranking.rows[: 1 + ranking.alike]
    fastest = min(range(len(rows)), key=lambda place: rows[place].milliseconds)
    quicker = f" Of these {titles[fastest]} is the fastest, {rows[fastest].milliseconds:.0f} ms an image."
    return f"{reached}, which cannot be told apart from {listed}.{quicker}"
