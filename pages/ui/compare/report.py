"""Report: a comparison as one HTML file that says everything by itself.

Not here: its looks (report.html), what it says (engine.comparisons.wording, verdict), the spreadsheets.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine import record_files
from engine.comparisons import wording
from engine.comparisons.command_lines import command_lines
from engine.comparisons.judgement import by_label
from engine.config import options
from engine.data.dataset_records import SPLIT_NAMES
from engine.errors import EngineError
from engine.workspace import Workspace
from pages.ui import status, text
from pages.ui.compare import classes, cost_chart, disagreements, learning_curves, verdict
from pages.ui.compare.evidence import COSTS, Evidence
from pages.ui.compare.run_table import value_in_words

THEME = "light"
"""Paper is white, whatever the screen of the reader."""
_ELSEWHERE = ("weights", "seed")


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """What the report takes from the config.json of a run."""

    dataset: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def report(workspace: Workspace, evidence: Evidence) -> str:
    """The whole file. Every name in it is text, whatever it holds."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["cell"] = cell
    comparison, judged, origins = evidence.comparison, evidence.judgement, _origins(workspace, evidence)
    headings = verdict.headings(judged)
    columns = "; ".join(f"{headings[name]}: {help_}" for name, (*_, help_) in verdict.COLUMNS.items() if help_)
    return environment.get_template("report.html").render(
        name=text.plain(comparison.name) or "Comparison",
        plotly=_plotly(),
        facts=_facts(evidence, origins),
        headline=wording.headline(judged),
        advice=wording.advice(judged),
        statistics=[*wording.statistics(judged), verdict.HOW[judged.split]] if judged.verdict else [],
        left_out=wording.left_out(judged),
        strategies=verdict.strategy_rows(evidence, workspace).rename(columns=headings),
        notes=[*verdict.table_notes(judged), columns],
        figures=list(_figures(evidence)),
        recall=classes.recall_table(evidence) if evidence.arms else None,
        arms=[(arm.label, ", ".join(map(str, arm.seeds))) for arm in comparison.strategies],
        options=[
            (option.label, value_in_words(option.name, getattr(comparison.shared, option.name)))
            for option in options()
            if option.name not in _ELSEWHERE
        ],
        runs=_runs(evidence),
        versions=_versions(evidence, origins) or "Not known: nothing has started.",
        command_lines="\n".join(command_lines(comparison)),
    )


def cell(value: object) -> str:
    """A value of a table: numbers to four digits, large ones written out, a dash for none."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _facts(evidence: Evidence, origins: list[_Origin]) -> dict[str, str]:
    comparison, images = evidence.comparison, len(evidence.images)
    dataset = origins[0].dataset.get("name") if origins else None
    made = f"{datetime.fromtimestamp(comparison.created_at, UTC):%Y-%m-%d %H:%M UTC}"
    split = SPLIT_NAMES[evidence.judgement.split]
    return {
        "Dataset": f"{dataset or comparison.dataset} ({comparison.dataset}), fingerprint "
        f"{comparison.fingerprint[:16] or 'unknown'}",
        "Backbones": ", ".join(f"{backbone} ({weights})" for backbone, weights in comparison.backbones),
        "Judged on": f"{text.count(images, 'image')} of the {split} split" if images else "no image: see the verdict",
        "Made": f"{made if comparison.created_at else 'unknown'}; this file {datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
        "Comparison": comparison.id,
    }


def _figures(evidence: Evidence) -> Iterator[dict[str, object]]:
    spans = learning_curves.spans(evidence.comparison, evidence.runs, THEME)
    for metric, name in learning_curves.METRICS.items() if spans else ():
        figure = learning_curves.curves_figure(spans, metric, theme=THEME).update_layout(showlegend=True)
        yield _figure(f"{name} on validation images", learning_curves.curves_in_words(spans, metric), figure)
    for cost in COSTS:
        if len(offers := cost_chart.offers(evidence, cost, THEME)) > 1:
            title, figure = (
                f"Accuracy against {cost_chart.cost_name(cost)}",
                cost_chart.cost_figure(offers, cost, THEME),
            )
            yield _figure(title, cost_chart.worth_in_words(offers), figure)
    if len(evidence.arms) > 1:
        description = "Images that the strategy of the row gets right and that of the column wrong."
        yield _figure("Disagreements", description, disagreements.disagreement_matrix(evidence, THEME))


def _figure(title: str, description: str, figure: go.Figure) -> dict[str, object]:
    """`spec` is what Plotly draws."""
    figure.update_layout(template="plotly_white", paper_bgcolor="#ffffff", font={"color": "#1c2a33", "size": 13})
    return {"title": title, "description": description, "spec": json.loads(figure.to_json() or "{}")}


def _runs(evidence: Evidence) -> list[tuple[str, ...]]:
    excluded = evidence.judgement.excluded
    labels = {run.id: label for label, of in by_label(evidence.comparison, evidence.runs).items() for run in of}
    return [
        (
            labels[run.id],
            str(run.config.seed),
            status.word(run.status),
            wording.exclusion_sentence(excluded[run.id]) if run.id in excluded else "",
            run.id,
        )
        for run in evidence.runs
    ]


def _versions(evidence: Evidence, origins: list[_Origin]) -> str:
    """What the runs were made with; several where they differ."""
    versions: dict[str, dict[str, None]] = {}
    for origin in origins:
        for package, version in origin.versions.items():
            versions.setdefault(package, {})[version] = None
    packages = [f"{package} {' and '.join(several)}" for package, several in versions.items()]
    devices = dict.fromkeys(run.started.device_name or run.device or "" for run in evidence.runs if run.started)
    return ", ".join([*packages, *filter(None, devices)])


def _origins(workspace: Workspace, evidence: Evidence) -> list[_Origin]:
    """Of the runs that have started."""
    origins = []
    for run in evidence.runs:
        with suppress(OSError, EngineError):
            origins.append(record_files.read(workspace.run(run.id) / "config.json", _Origin))
    return origins


def _plotly() -> str:
    """The library itself, as it is in the installed package."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return source.replace("</script", "<\\/script")
