"""Cached: what of a run was computed once, or found computed, instead of in every epoch; read from the record of the
run.

Not here: emptying the caches (the command line does it).
"""

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd
import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES
from engine.store.run import Run
from pages.ui import text

_FIELDS = frozenset({"split", "view", "block", "bytes", "state", "saved_seconds"})


def show(run: Run) -> None:
    """One sentence, and a table for whoever wants to know; nothing before the run has started or where nothing is
    frozen."""
    about = record(run)
    if not about:
        return
    st.markdown(text.md(sentence(about)))
    files = cast(Sequence[Mapping[str, object]], about["files"])
    if files:
        with st.expander("What is kept of the frozen part", icon=":material/inventory_2:"):
            st.dataframe(
                table(files), hide_index=True, alt="Kept activations: images, block, size, whether computed or found"
            )
            st.caption(
                "A frozen block gives the same answer for the same image every time, so it is asked once. The files "
                "are checked before "
                "they are used, are shared by every run that starts from the same weights, and can be deleted at any "
                "time: "
                "`python -m engine cache --clear`"
            )


def record(run: Run) -> Mapping[str, object]:
    """What the run says of its cache: as it started, and with the seconds saved once it has finished."""
    for source in (run.summary, run.started):
        if source and isinstance(source.get("cache"), dict):
            return cast(Mapping[str, object], source["cache"]) if _sound(source["cache"]) else {}
    return {}


def _sound(about: Mapping[str, object]) -> bool:
    """Whether the record has the shape that is read here; another version, or a damaged row, may have left another."""
    files = about.get("files")
    return (
        _numbers(about, "seconds", "saved_seconds", "shared_with")
        and isinstance(files, list)
        and all(map(_sound_file, files))
    )


def _sound_file(file: object) -> bool:
    return (
        isinstance(file, dict)
        and file.keys() >= _FIELDS
        and file["bytes"] is not None
        and _numbers(file, "bytes", "saved_seconds")
    )


def _numbers(about: Mapping[str, object], *names: str) -> bool:
    return all(about.get(name) is None or isinstance(about[name], int | float) for name in names)


def sentence(about: Mapping[str, object]) -> str:
    """The record in words."""
    files = cast(Sequence[Mapping[str, object]], about["files"])
    if not files:
        return (
            "Nothing of this run was worth computing once: all blocks train, every picture is new, or the cache "
            "is full."
        )
    size = text.bytes_(sum(int(str(file["bytes"])) for file in files))
    computed, others = any(file["state"] == "computed" for file in files), int(str(about.get("shared_with") or 0))
    if computed:
        shared = f" for this run and {text.count(others, 'waiting run')}" if others else ""
        said = (
            f"The frozen part was computed once{shared}, in "
            f"{text.duration(float(str(about.get('seconds') or 0.0)))}, and kept ({size})."
        )
    else:
        said = f"The frozen part was found computed by an earlier run ({size})."
    saved = float(str(about.get("saved_seconds") or 0.0)) - float(str(about.get("seconds") or 0.0))
    return said + (f" That saved about {text.duration(saved)}." if saved >= 1 else "")


def table(files: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Images": SPLIT_NAMES.get(str(file["split"]), str(file["split"])),
                "Seen as": "evaluation crop" if file["view"] is None else f"view {file['view']}",
                "Read by block": text.plain(str(file["block"])),
                "Size": text.bytes_(float(str(file["bytes"]))),
                "State": file["state"],
                "Saved": text.duration(float(str(file["saved_seconds"]))) if file["saved_seconds"] else "–",
            }
            for file in files
        ]
    )
