"""Ranking: the backbones that are on this machine, ranked on these images when somebody asks; a click takes one.

It trains nothing. Not here: the passes, which a background job does.
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.config import to_json
from engine.jobs import records
from engine.jobs.ranking_records import Candidate, candidates, ranking_sentence
from engine.models.catalog import Catalog
from engine.runconfig import RunConfig
from engine.store.job_store import Job
from pages.ui import text
from pages.ui.configure import backbones
from pages.ui.resources import job_store, run_store
from pages.ui.waiting import Labels, offer
from pages.ui.widgets.section import section

_ICON = ":material/leaderboard:"
_LABELS = Labels(ask="Rank them", again="Rank again", going="Ranking the backbones", icon=_ICON, key="ranking_start")


def ranking_section(catalog: Catalog, dataset: str, files: dict[str, str]) -> None:
    """A folded section: which of the backbones that need no download reads the classes of `dataset` best. `files` are
    the names of brought weights by id."""
    with section("Which backbone suits these images?", icon=_ICON, key="fold_ranking") as seen:
        if not seen:
            return
        found = candidates(catalog, job_store().list("weights"), [run.config for run in run_store().list()])
        there = [pair for pair in found if not pair[1].startswith("file:") or pair[1][5:] in files]
        if not there:
            st.caption(
                "No weights are on this machine yet, so there is nothing to rank. Bring a weights file below, or start "
                "a run that downloads some."
            )
            return
        st.caption(
            f"Looks at up to 500 training images once with each of {text.count(len(there), 'backbone')} whose weights "
            "are on this machine, and asks how well the classes can be read from what it answers, each image judged by "
            "the others. It trains nothing."
        )
        config = to_json(RunConfig(dataset=dataset, backbone=""))
        asked = records.RankBackbones(config=config, backbones=tuple(there))
        offer("ranking", asked, _LABELS, draw=lambda job: _result(job, files))


def titles_of(pairs: Sequence[Candidate], files: dict[str, str]) -> tuple[str, ...]:
    """The names of backbones, with their weights where those are not the published default."""
    return tuple(
        name if weights == "default" else f"{name} ({text.short(files.get(weights.removeprefix('file:'), weights))})"
        for name, weights in pairs
    )


def _result(job: Job, files: dict[str, str]) -> None:
    ranking = job.result_as(records.Ranking)
    if ranking is None:
        return
    titles = titles_of([(row.backbone, row.weights) for row in ranking.rows], files)
    st.markdown(text.md(ranking_sentence(ranking, titles)))
    st.dataframe(
        _table(ranking, titles),
        hide_index=True,
        height=38 + 35 * min(len(ranking.rows), 9),
        alt="Backbones by the accuracy that can be read from their features, with intervals and time",
    )
    st.caption(
        f"From {text.count(ranking.images, 'training image')} of {ranking.of:,}; intervals of 95 % (Wilson). A ranking "
        "of frozen features: what fine-tuning adds is not measured."
    )
    best = ranking.rows[0]
    if best.ridge is not None:
        choice = {backbones.CHOSEN: best.backbone, backbones.PENDING: best.weights}
        st.button(
            text.md(f"Use {titles[0]}"),
            key="ranking_use",
            icon=":material/check:",
            on_click=st.session_state.update,
            args=(choice,),
        )


def _table(ranking: records.Ranking, titles: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "Backbone": text.plain(title),
            "Accuracy": text.percent(row.ridge.accuracy) if row.ridge else "–",
            "Interval": f"{text.percent(row.ridge.low)} to {text.percent(row.ridge.high)}" if row.ridge else "–",
            "ms an image": f"{row.milliseconds:.1f}" if row.ridge else "–",
            "Note": row.problem if row.problem else "not shown to be worse" if 0 < place <= ranking.alike else "",
        }
        for place, (title, row) in enumerate(zip(titles, ranking.rows, strict=True))
    ]
    return pd.DataFrame(rows)
