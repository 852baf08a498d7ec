"""Addresses: where the browser finds what the routes serve, by ids and indices of ours.

Not here: answering (pages.endpoints), and addresses of pages.
"""

from urllib.parse import quote

import streamlit


def base_path() -> str:
    """What all paths of this server begin with, for a proxy that forwards only what does: `/thaw`, mostly nothing."""
    base = str(streamlit.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def upload(upload_id: str) -> str:
    return _address("uploads", upload_id)


def thumbnail(dataset_id: str, index: int) -> str:
    return _address("thumbnails", dataset_id, index)


def image(dataset_id: str, index: int) -> str:
    """The original, which not every browser can draw."""
    return _address("images", dataset_id, index)


def new_thumbnail(run_id: str, predictions_id: str, row: int) -> str:
    """Of an image that was only predicted."""
    return _address("predictions", run_id, predictions_id, row)


def new_result(run_id: str, predictions_id: str) -> str:
    """The result.csv of new images."""
    return _address("predictions", run_id, predictions_id, "result.csv")


def heat_map(run_id: str, explanation: str, picture: str) -> str:
    return _address("explanations", run_id, explanation, f"{picture}.png")


def run_file(run_id: str, name: str) -> str:
    return _address("runs", run_id, name)


def comparison_file(comparison_id: str, name: str) -> str:
    return _address("comparisons", comparison_id, name)


def _address(*parts: str | int) -> str:
    return "/".join([f"{base_path()}/api", *(quote(str(part), safe="") for part in parts)])
