"""Upload area: an area that takes zips, images and folders and streams them to disk through the upload route.

Not here: what the files contain. Streamlit's own uploader would keep each of them in memory.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import streamlit as st

from engine.data import uploads
from pages.ui import addresses, text
from pages.ui.resources import workspace

_HERE = Path(__file__).parent
_HTML = """
<div class="area" data-part="area" role="group">
  <div data-part="idle">
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"
    aria-hidden="true">
      <path d="M12 15V4m0 0L8 8m4-4 4 4M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3"/>
    </svg>
    <p class="title" data-part="title"></p>
    <p class="hint" data-part="hint"></p>
    <div class="buttons">
      <button type="button" data-part="files"></button>
      <button type="button" data-part="folder"></button>
    </div>
    <input type="file" data-part="pick-files" multiple hidden>
    <input type="file" data-part="pick-folder" webkitdirectory hidden>
  </div>
  <div data-part="busy" hidden>
    <p class="numbers" data-part="numbers"></p>
    <progress data-part="bar" max="1" value="0"></progress>
    <button type="button" data-part="cancel"></button>
  </div>
  <p class="message" data-part="message" role="alert" hidden></p>
</div>
"""
_component = st.components.v2.component(
    "thaw_upload", html=_HTML, css=(_HERE / "upload_area.css").read_text(), js=(_HERE / "upload_area.js").read_text()
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """An upload that is complete on disk."""

    upload: str
    files: int
    prefix: str
    name: str  # what the browser suggests: the zip's or the folder's own name


def upload_area(title: str, hint: str, *, key: str, prefix: str | None = None) -> Arrival | None:
    """The area; an Arrival in the one run after everything has arrived, and later files go into an upload of their own.

    With a `prefix`, the class that all files go into ("" = not typed yet), that begins only with `next_upload`.
    """
    target, limit = _target(key), uploads.limit_bytes()
    data = {
        "url": addresses.upload(target.id),
        "upload": target.id,
        "token": target.token,
        "prefix": prefix or "",
        "prefix_needed": prefix is not None,
        "limit_bytes": limit,
        "words": _words(title, hint, limit),
    }
    answer = _component(key=f"upload_{key}", data=data, on_done_change=lambda: None, on_stopped_change=lambda: None)
    if answer.stopped:  # nothing is left on disk, also not the files that had already arrived
        uploads.discard_upload(workspace(), target.id)
        next_upload(key)
        st.rerun()
    if not answer.done:
        return None
    if prefix is None:
        next_upload(key)
    return Arrival(**{field.name: answer.done[field.name] for field in fields(Arrival)})


def next_upload(key: str) -> None:
    """The next files go into an upload of their own."""
    st.session_state.pop(f"{key}_target", None)


def _target(key: str) -> uploads.Upload:
    if f"{key}_target" not in st.session_state:
        st.session_state[f"{key}_target"] = uploads.reserve()
    return st.session_state[f"{key}_target"]


def _words(title: str, hint: str, limit: int) -> dict[str, str]:
    return {
        "title": title,
        "hint": hint,
        "files": "Choose files",
        "folder": "Choose a folder",
        "cancel": "Cancel",
        "of": "{done} of {all}",
        "cancelled": "Cancelled; nothing was kept.",
        "failed": "The upload was interrupted. See that the dashboard runs and drop the files again.",
        "too_large": f"That is more than {text.bytes_(limit)}. Put the folder on the server and import it by its path.",
        "prefix_needed": "Type the name of the class first.",
    }
