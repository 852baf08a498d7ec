"""Report: a comparison as one HTML file that says everything by itself: verdict, tables, figures, configuration,
versions, commands.

It asks for nothing over a network, and its own policy forbids it to. Not here: what it says (evidence, outcome), the
spreadsheets.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

import pandas as pd
import plotly.graph_objects as go

from engine.comparisons import wording
from engine.comparisons.command_lines import command_lines
from engine.comparisons.judgement import by_label
from engine.config import options
from engine.data.dataset_records import SPLIT_NAMES
from engine.workspace import Workspace
from pages.ui import status, text
from pages.ui.compare import classes, cost_chart, disagreements, learning_curves, run_table, verdict
from pages.ui.compare.evidence import COSTS, Evidence

THEME = "light"
"""Paper is white, whatever the screen of the reader."""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
body { font: 16px/1.5 'Noto Sans', 'Noto Sans KR', 'Malgun Gothic', 'Apple SD Gothic Neo', system-ui, sans-serif;
color: #1c2a33;
  background: #fff; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.25; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d5dfe6; padding-bottom: .2rem; }
.verdict { background: #f2f6f9; border-radius: 8px; padding: .6rem 1.2rem; } .verdict p:first-child { font-weight:
600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .8rem; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d5dfe6; white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f2f6f9; border-radius: 8px; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere;
font-size: .85rem; }
.note { color: #5a6872; font-size: .85rem; } @media print { body { margin: 0; } h2 { break-after: avoid; } }
"""


def report(workspace: Workspace, evidence: Evidence) -> str:
    """The whole file. Every name in it is text, whatever it holds."""
    name = text.plain(evidence.comparison.name) or "Comparison"
    parts = [
        f"<h1>{escape(name)}</h1>",
        _about(workspace, evidence),
        "<h2>Verdict</h2>",
        _verdict(evidence),
        "<h2>Strategies</h2>",
        _table(verdict.strategy_rows(evidence, workspace).rename(columns=verdict.headings(evidence.judgement))),
        *_notes(evidence),
        *_figures(evidence),
        *_classes(evidence),
        "<h2>Configuration</h2>",
        *_configuration(evidence),
        "<h2>Runs</h2>",
        _table(_runs(evidence)),
        "<h2>Made with</h2>",
        _versions(workspace, evidence),
        "<h2>The same again on the command line</h2>",
        f"<pre>{escape(chr(10).join(command_lines(evidence.comparison)))}</pre>",
    ]
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><title>{escape(name)}</title>'
    )
    head += (
        f'<meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><style>{_STYLE}</style><script>{_plotly()}</script>'
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{chr(10).join(parts)}</body></html>\n'


def _about(workspace: Workspace, evidence: Evidence) -> str:
    known = evidence.comparison
    origin = _origins(workspace, evidence)[:1]
    dataset = str((origin[0].get("dataset") or {}).get("name") or known.dataset) if origin else known.dataset
    made = (
        datetime.fromtimestamp(known.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC") if known.created_at else "unknown"
    )
    images = len(evidence.images)
    facts = {
        "Dataset": f"{dataset} ({known.dataset}), fingerprint {known.fingerprint[:16] or 'unknown'}",
        "Backbones": ", ".join(f"{backbone} ({weights})" for backbone, weights in known.backbones),
        "Evidence on": f"{text.count(images, 'image')} of the {SPLIT_NAMES[evidence.judgement.split]} split"
        if images
        else "no image: see the verdict",
        "Made": f"{made}; this file {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}",
        "Comparison": known.id,
    }
    return "<p>" + "<br>".join(f"<b>{escape(name)}:</b> {escape(value)}" for name, value in facts.items()) + "</p>"


def _verdict(evidence: Evidence) -> str:
    lines = [*wording.sentences(evidence.judgement), *filter(None, [wording.doubt(evidence.judgement)])]
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in lines)
    return f"<div class='verdict'>{said}</div>" + (
        f"<p class='note'>{escape(verdict.HOW[evidence.judgement.split])}</p>" if evidence.judgement.verdict else ""
    )


def _notes(evidence: Evidence) -> list[str]:
    """What stands under the table on the page, and what its columns mean."""
    columns = "; ".join(
        f"{verdict.headings(evidence.judgement)[name]}: {about}"
        for name, (_, about) in verdict.COLUMNS.items()
        if about
    )
    return [f"<p class='note'>{escape(said)}</p>" for said in (*verdict.table_notes(evidence.judgement), columns)]


def _figures(evidence: Evidence) -> list[str]:
    drawn: list[tuple[str, str, go.Figure]] = []
    found = learning_curves.spans(evidence.comparison, evidence.runs, THEME)
    for metric in learning_curves.METRICS if found else ():
        title = f"{learning_curves.METRICS[metric]} on validation images"
        drawn.append(
            (
                title,
                learning_curves.in_words(found, metric),
                learning_curves.figure(found, metric, ["val"], "epoch", THEME).update_layout(showlegend=True),
            )
        )
    for cost in COSTS:
        if len(offers := cost_chart.offers(evidence, cost, THEME)) > 1:
            drawn.append(
                (
                    f"Accuracy against {cost_chart.cost_name(cost)}",
                    cost_chart.worth_in_words(offers),
                    cost_chart.cost_figure(offers, cost, THEME),
                )
            )
    if len(evidence.arms) > 1:
        said = "Images that the strategy of the row gets right and that of the column wrong."
        drawn.append(("Disagreements", said, disagreements.disagreement_matrix(evidence, THEME)))
    parts = []
    for number, (title, said, figure) in enumerate(drawn):
        parts.append(
            f"<h2>{escape(title)}</h2><p class='note'>{escape(said)}</p><div "
            f"id='figure{number}'></div>{_script(number, figure)}"
        )
    return parts


def _script(number: int, figure: go.Figure) -> str:
    """Draws one figure. No character of a name can end the script."""
    figure.update_layout(template="plotly_white", paper_bgcolor="#ffffff", font={"color": "#1c2a33", "size": 13})
    spec = figure.to_json()
    assert spec is not None
    safe = (
        spec.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
    settings = json.dumps({"displaylogo": False, "responsive": True, "showSendToCloud": False})
    return f"<script>(f=>Plotly.newPlot('figure{number}',f.data,f.layout,{settings}))({safe})</script>"


def _classes(evidence: Evidence) -> list[str]:
    return ["<h2>Recall of every class, %</h2>", _table(classes.recall_table(evidence))] if evidence.arms else []


def _configuration(evidence: Evidence) -> list[str]:
    shared = evidence.comparison.shared
    elsewhere = ("weights", "seed")
    rows = [
        (about.label, run_table.said(about.name, getattr(shared, about.name)))
        for about in options()
        if about.name not in elsewhere
    ]
    arms = [(arm.label, ", ".join(str(seed) for seed in arm.seeds)) for arm in evidence.comparison.strategies]
    return [
        "<p>Strategies with the options in which they differ, and their seeds:</p>",
        _table(pd.DataFrame(arms, columns=["Strategy", "Seeds"])),
        "<p>Options of every run, unless its strategy says otherwise:</p>",
        _table(pd.DataFrame(rows, columns=["Option", "Value"])),
    ]


def _runs(evidence: Evidence) -> pd.DataFrame:
    excluded = evidence.judgement.excluded
    labels = {run.id: label for label, of in by_label(evidence.comparison, evidence.runs).items() for run in of}
    return pd.DataFrame(
        [
            {
                "Strategy": labels[run.id],
                "Seed": str(run.config.seed),
                "Status": status.word(run.status),
                "Why it does not count": wording.reason(excluded[run.id]) if run.id in excluded else "",
                "Run": run.id,
            }
            for run in evidence.runs
        ]
    )


def _versions(workspace: Workspace, evidence: Evidence) -> str:
    """What the runs were made with; several where they differ."""
    found: dict[str, dict[str, None]] = {}
    for origin in _origins(workspace, evidence):
        for package, version in (origin.get("versions") or {}).items():
            found.setdefault(str(package), {})[str(version)] = None
    devices = dict.fromkeys(
        str((run.started or {}).get("device_name") or run.device or "") for run in evidence.runs if run.started
    )
    said = [f"{package} {' and '.join(versions)}" for package, versions in found.items()]
    named = ", ".join([*said, *(device for device in devices if device)])
    return f"<p>{escape(named or 'Not known: nothing has started.')}</p>"


def _origins(workspace: Workspace, evidence: Evidence) -> list[Mapping]:
    """config.json of the runs that have started."""
    found = []
    for run in evidence.runs:
        try:
            found.append(json.loads((workspace.run(run.id) / "config.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return [origin for origin in found if isinstance(origin, dict)]


def _table(frame: pd.DataFrame) -> str:
    numeric = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns}
    head = "".join(f"<th>{escape(str(name))}</th>" for name in frame.columns)
    rows: Sequence[Mapping] = frame.to_dict("records")
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if numeric[name] else ''}>{escape(_cell(row[name]))}</td>" for name in frame.columns)
        + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _plotly() -> str:
    """The library itself, as it is in the installed package."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return source.replace("</script", "<\\/script")
