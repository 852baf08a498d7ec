"""Frozen part: what of a run was computed once, or found computed, instead of in every epoch.

Not here: emptying the caches (the command line does it).
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.events import Cache, CacheFile
from engine.installation import COMMAND
from engine.store.run_record import Run
from pages.ui import text


def frozen_part(run: Run) -> None:
    """One sentence, and a table for whoever wants to know; nothing before the run has started."""
    cache = record(run)
    if cache is None:
        return
    st.markdown(text.md(sentence(cache)))
    if cache.files:
        with st.expander("What is kept of the frozen part", icon=":material/inventory_2:"):
            alt = "Kept activations: images, block, size, whether computed or found"
            st.dataframe(cache_table(cache.files), hide_index=True, alt=alt)
            st.caption(
                "A frozen block answers the same image alike every time, so it is asked once. The files are checked "
                "before use, shared by every run that starts from the same weights, and can be deleted at any time: "
                f"`{COMMAND} cache --clear`"
            )


def record(run: Run) -> Cache | None:
    """What the run says of its cache: as it started, and with the seconds saved once it has finished."""
    return next((source.cache for source in (run.summary, run.started) if source and source.cache), None)


def sentence(cache: Cache) -> str:
    if not cache.files:
        return "Nothing was worth computing once: all blocks train, every picture is new, or the cache is full."
    size = text.bytes_(sum(file.bytes for file in cache.files))
    if any(file.state == "computed" for file in cache.files):
        shared = f" for this run and {text.count(cache.shared_with, 'waiting run')}" if cache.shared_with else ""
        said = f"The frozen part was computed once{shared}, in {text.duration(cache.seconds)}, and kept ({size})."
    else:
        said = f"The frozen part was found computed by an earlier run ({size})."
    saved = cache.saved_seconds - cache.seconds
    return said + (f" That saved about {text.duration(saved)}." if saved >= 1 else "")


def cache_table(files: Sequence[CacheFile]) -> pd.DataFrame:
    rows = [
        (
            SPLIT_NAMES.get(file.split, file.split),
            "evaluation crop" if file.view is None else f"view {file.view}",
            text.plain(file.block),
            text.bytes_(file.bytes),
            file.state,
            text.duration(file.saved_seconds) if file.saved_seconds else "–",
        )
        for file in files
    ]
    return pd.DataFrame(rows, columns=["Images", "Seen as", "Read by block", "Size", "State", "Saved"])
