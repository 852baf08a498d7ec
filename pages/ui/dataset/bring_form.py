"""Bring form: the three ways in which images come to Thaw. Each ends with an import job in the store.

Not here: what an import does, and the decision about what it found (health_card).
"""

from collections import Counter

import streamlit as st

from engine.jobs import records
from pages.ui import text
from pages.ui.resources import job_store
from pages.ui.widgets.upload_area import next_upload, upload_area

_WAYS = {
    "Zip or folder": "One folder per class, or train/val/test folders of such, or a CSV of file,label with the images.",
    "Class by class": "Type a class, drop its images; repeat. Import when there are two or more.",
    "Folder on the server": "For images that are already on the computer where Thaw runs; nothing is uploaded.",
}


def bring_images() -> None:
    way = st.segmented_control(
        "How the images come",
        list(_WAYS),
        default="Zip or folder",
        key="way",
        label_visibility="collapsed",
        required=True,
    )
    if way == "Class by class":
        _class_by_class()
    elif way == "Folder on the server":
        _server_folder()
    else:
        if arrival := upload_area("Drop a zip or a folder of images here", _WAYS["Zip or folder"], key="whole"):
            _submit(arrival.upload, arrival.name)


def _class_by_class() -> None:
    st.caption(_WAYS["Class by class"])
    cleared = st.session_state.setdefault("classes_cleared", 0)  # a new key empties the field for the next class
    name = st.text_input("Class", placeholder="such as rabbit", key=f"class_{cleared}", max_chars=100)
    prefix, hint = name.replace("/", " ").strip(), "Several images, or a folder of them."
    gathered: dict[str, Counter[str]] = st.session_state.setdefault("gathered", {})
    if arrival := upload_area("Drop images of this class here", hint, key="classes", prefix=prefix):
        gathered.setdefault(arrival.upload, Counter())[arrival.prefix] += arrival.files
        st.session_state["classes_cleared"] += 1
        st.rerun()
    upload = st.session_state["classes_target"].id
    counts = gathered.get(upload, Counter())
    st.markdown("  \n".join(f"**{text.md(label)}**: {text.count(files, 'file')}" for label, files in counts.items()))
    if st.button("Import these classes", type="primary", disabled=len(counts) < 2):
        next_upload("classes")
        _submit(upload, text.listing(list(counts)))


def _server_folder() -> None:
    with st.form("server_folder", border=False):
        path = st.text_input(
            "Folder or zip on the server", placeholder="/home/me/photographs", help=_WAYS["Folder on the server"]
        )
        sent = st.form_submit_button("Import", type="primary")
    if sent and path.strip():
        _submit(path.strip(), path.strip().replace("\\", "/").rstrip("/").rpartition("/")[2])


def _submit(source: str, name: str) -> None:
    job_store().submit("import", records.ImportImages(source=source, name=text.plain(name)[:120] or "Images"))
    st.rerun()
