"""The routes as a browser meets them: what gets through, what is refused, and what never leaves the workspace."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import streamlit
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Match

from engine.data import uploads
from engine.data.dataset import commit
from engine.data.dataset_records import Dataset
from engine.data.importer import scan
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.endpoints import ROUTES
from pages.ui import addresses
from tests.pages import made

APP = Starlette(routes=ROUTES)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return json.loads(self.body)["error"]


def ask(
    path: str,
    query: str = "",
    *,
    method: str = "GET",
    body: tuple[bytes, ...] = (),
    broken: bool = False,
    **headers: str,
) -> Answer:
    """One request straight into the app. `broken`: the browser goes away before the body is complete."""
    sent: list[dict] = []
    chunks: list[dict] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in body]
    chunks.append({"type": "http.disconnect" if broken else "http.request"})

    async def receive() -> dict:
        return chunks.pop(0) if chunks else await asyncio.Future()  # the browser stays and waits

    async def send(message: dict) -> None:
        sent.append(message)

    names = {"host": "127.0.0.1:8501"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in names.items()]
    asyncio.run(APP(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent)
    return Answer(sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, content)


def put(
    upload: uploads.Upload, *body: bytes, name: str = "a.png", token: str = "", broken: bool = False, **headers: str
) -> Answer:
    """A file into the upload."""
    query = f"token={token or upload.token}&name={name}"
    return ask(addresses.upload(upload.id), query, method="PUT", body=body, broken=broken, **headers)


@pytest.fixture
def upload(workspace: Workspace) -> uploads.Upload:
    upload = uploads.reserve()
    uploads.check(workspace, upload)
    return upload


@pytest.mark.parametrize(
    "address",
    [
        addresses.upload("upload-1"),
        addresses.thumbnail("dataset-1", 3),
        addresses.image("dataset-1", 3),
        addresses.new_thumbnail("run-1", "predict-1", 3),
        addresses.new_result("run-1", "predict-1"),
        addresses.heat_map("run-1", "name", "heat"),
        addresses.run_file("run-1", "audit.csv"),
        addresses.comparison_file("comparison-1", "report.html"),
    ],
)
def test_every_address_that_pages_draw_is_a_route(address: str) -> None:
    method = "PUT" if "uploads" in address else "GET"
    scope = {"type": "http", "method": method, "path": address}
    assert [route.path for route in ROUTES if route.matches(scope)[0] == Match.FULL]


def test_addresses_stay_below_the_base_path_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit, "get_option", lambda name: "/thaw/" if name == "server.baseUrlPath" else None)
    assert addresses.thumbnail("dataset-1", 3) == "/thaw/api/thumbnails/dataset-1/3"


def test_no_id_leads_out_of_its_address() -> None:
    assert addresses.thumbnail("../x?y#z", 0) == "/api/thumbnails/..%2Fx%3Fy%23z/0"


def test_an_upload_arrives_chunk_by_chunk_under_a_name_of_ours(workspace: Workspace, upload: uploads.Upload) -> None:
    answer = put(upload, b"abc", b"defg", name="..%2F..%2Fetc%2F%EA%B3%A0%EC%96%91%EC%9D%B4.png")
    assert (answer.status, json.loads(answer.body)) == (200, {"bytes": 7})
    (file,) = uploads.received(workspace.incoming_item(upload.id))
    assert file.path.parent == workspace.incoming_item(upload.id) and file.path.read_bytes() == b"abcdefg"
    assert file.name.endswith("고양이.png")


def test_a_wrong_token_or_a_strange_upload_is_refused_in_a_sentence(
    workspace: Workspace, upload: uploads.Upload
) -> None:
    for upload_id in (upload.id, "upload-00000000", "..", "draft-00000000"):
        answer = put(replace(upload, id=upload_id), b"x", token="guess")
        assert answer.status == 400 and answer.error.endswith(".")
    assert not uploads.received(workspace.incoming_item(upload.id))


def test_an_upload_that_breaks_off_leaves_nothing(workspace: Workspace, upload: uploads.Upload) -> None:
    put(upload, b"half", broken=True)
    assert [path.name for path in workspace.incoming_item(upload.id).iterdir()] == ["token"]


def test_an_upload_beyond_the_limit_is_refused_and_dropped(
    workspace: Workspace, upload: uploads.Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_MAX_UPLOAD_MB", "1")
    answer = put(upload, *(b"x" * 600_000,) * 3)
    assert answer.status == 400 and "THAW_MAX_UPLOAD_MB" in answer.error
    assert not uploads.received(workspace.incoming_item(upload.id))


def test_images_come_with_a_fixed_type_and_cannot_be_anything_else(dataset: Dataset) -> None:
    for kind, type_ in (("thumbnails", "image/jpeg"), ("images", "image/png")):
        answer = ask(f"/api/{kind}/{dataset.id}/0")
        assert (answer.status, answer.headers["content-type"]) == (200, type_)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "immutable" in answer.headers["cache-control"]
    assert answer.body == dataset.image_path(dataset.images[0]).read_bytes()


def test_what_a_browser_would_show_otherwise_comes_as_its_thumbnail(workspace: Workspace, tmp_path: Path) -> None:
    for place, label in enumerate("ab"):
        (tmp_path / label).mkdir()
        for number in range(3):
            values = np.random.default_rng(10 * place + number).integers(0, 4096, (20, 20), dtype=np.uint16)
            Image.fromarray(values).save(tmp_path / label / f"{number}.png")
    dark = commit(workspace, scan(workspace, tmp_path))
    answer = ask(f"/api/images/{dark.id}/0")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.body == dark.thumbnail_path(dark.images[0]).read_bytes()


@pytest.mark.parametrize(
    "path",
    ["thumbnails/dataset-00000000/0", "thumbnails/../0", "images/{id}/999", "runs/run-00000000/result.csv"],
)
def test_what_is_not_there_is_a_sentence_and_not_a_defect(dataset: Dataset, path: str) -> None:
    answer = ask(f"/api/{path.format(id=dataset.id)}")
    assert answer.status == 404
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("result.csv", "text/csv; charset=utf-8"),
        ("audit.csv", "text/csv; charset=utf-8"),
        ("export.zip", "application/zip"),
    ],
)
def test_the_files_of_a_run_are_fresh_attachments(workspace: Workspace, run: Run, name: str, type_: str) -> None:
    path = workspace.run(run.id) / name
    path.unlink(missing_ok=True)
    assert ask(f"/api/runs/{run.id}/{name}").status == 404
    path.write_bytes(b"content")
    answer = ask(f"/api/runs/{run.id}/{name}")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"content", type_)
    assert answer.headers["content-disposition"] == f'attachment; filename="{run.id}-{name}"'
    assert answer.headers["cache-control"] == "no-store"


def test_only_listed_files_of_a_run_can_be_downloaded(workspace: Workspace, run: Run) -> None:
    (workspace.run(run.id) / "checkpoint.pt").write_bytes(b"secret")
    for name in ("checkpoint.pt", "..", "%2e%2e", "predictions"):
        answer = ask(f"/api/runs/{run.id}/{name}")
        assert answer.status == 404 and b"secret" not in answer.body


def test_new_predictions_have_thumbnails_and_a_result(workspace: Workspace, run: Run) -> None:
    predictions = made.new_predictions(workspace, run)
    assert ask(f"/api/predictions/{run.id}/{predictions}/1").headers["content-type"] == "image/jpeg"
    assert ask(f"/api/predictions/{run.id}/{predictions}/2").status == 404
    assert ask(f"/api/predictions/{run.id}/{predictions}/result.csv").status == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("host", "evil.example"),
        ("host", "evil.example:8501"),
        ("host", "127.0.0.1.evil.example"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9999"),
        ("sec_fetch_site", "cross-site"),
    ],
)
def test_foreign_hosts_and_pages_are_refused(
    workspace: Workspace, dataset: Dataset, upload: uploads.Upload, header: str, value: str
) -> None:
    assert ask(f"/api/images/{dataset.id}/0", **{header: value}).status == 403
    assert put(upload, b"x", **{header: value}).status == 403
    assert not uploads.received(workspace.incoming_item(upload.id))


def test_our_own_page_gets_through(dataset: Dataset) -> None:
    path, local = f"/api/thumbnails/{dataset.id}/0", "http://localhost:8501"
    assert ask(path, origin="http://127.0.0.1:8501").status == 200
    assert ask(path, host="localhost:8501", origin=local, sec_fetch_site="same-origin").status == 200
