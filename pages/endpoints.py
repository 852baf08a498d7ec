"""Endpoints: what the browser asks for outside the pages: streamed uploads, thumbnails, images, downloads.

Every path is found by an id or an index of ours; a name that a person chose is never part of one.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.data import uploads
from engine.data.dataset import open_dataset
from engine.data.dataset_records import AS_EVER, Dataset, Image
from engine.errors import DatasetError, EngineError, RunError
from engine.jobs import heat_map_files
from engine.workspace import checked_id, open_workspace
from pages.ui.addresses import base_path

# What a decoder of ours wrote into the extension decides the type; the content never does.
_IMAGE_TYPES = {
    **{name: f"image/{name}" for name in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic")},
    "jpg": "image/jpeg",
    "tif": "image/tiff",
}
_CSV = "text/csv; charset=utf-8"
_DOWNLOADS = {
    **dict.fromkeys(("result.csv", "predictions.csv", "audit.csv", "history.csv"), _CSV),
    **dict.fromkeys(("config.json", "classes.json", "metrics.json"), "application/json"),
    "best.safetensors": "application/octet-stream",
    "export.zip": "application/zip",
    "log.txt": "text/plain; charset=utf-8",
}
_LASTING = {"Cache-Control": "private, max-age=31536000, immutable"}  # ids are never used twice
_FRESH = {"Cache-Control": "no-store"}
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}


async def receive_upload(request: Request) -> Response:
    """One file of an upload, written to disk chunk by chunk."""
    query = request.query_params
    upload = uploads.Upload(id=request.path_params["upload"], token=query.get("token", ""))
    receiver = uploads.Receiver(open_workspace(), upload, query.get("name", ""))
    try:
        async for chunk in request.stream():
            receiver.write(chunk)
        return JSONResponse({"bytes": receiver.close().bytes})
    except ClientDisconnect:  # cancelled in the browser, or the tab was closed: nobody reads this answer
        return _sentence("The upload was cancelled.", 400)
    finally:
        receiver.abort()  # whatever broke off leaves nothing behind; a file that is closed stays


def thumbnail(request: Request) -> Response:
    dataset, image = _image(request)
    return _file(dataset.thumbnail_path(image), "image/jpeg", _LASTING)


def image(request: Request) -> Response:
    """The original, under an image type; nosniff and a sandbox keep it from being anything else.

    Its thumbnail where a browser would show it otherwise than models see it: nearly black, or white on white.
    """
    dataset, image = _image(request)
    path = dataset.image_path(image) if dataset.rendering == AS_EVER else dataset.thumbnail_path(image)
    return _file(path, _IMAGE_TYPES.get(path.suffix[1:].lower(), "application/octet-stream"), _LASTING)


def prediction_thumbnail(request: Request) -> Response:
    return _file(_predictions_folder(request) / "thumbs" / f"{request.path_params['row']}.jpg", "image/jpeg", _LASTING)


def prediction_result(request: Request) -> Response:
    path = _predictions_folder(request) / "result.csv"
    return _file(path, _CSV, _FRESH, download=f"{request.path_params['predictions']}-result.csv")


def explanation(request: Request) -> Response:
    names = request.path_params
    path = heat_map_files.picture_path(open_workspace(), names["run"], names["name"], picture=names["picture"])
    return _file(path, "image/png", _LASTING)


def run_file(request: Request) -> Response:
    run, name = request.path_params["run"], request.path_params["file"]
    if name not in _DOWNLOADS:
        raise RunError(f"A run has no file of that name to download. There are {', '.join(sorted(_DOWNLOADS))}.")
    return _file(open_workspace().run(run) / name, _DOWNLOADS[name], _FRESH, download=f"{run}-{name}")


def comparison_file(request: Request) -> Response:
    """Made for this request."""
    from pages.ui.compare import downloads  # here, or the server would load all statistics before its first page

    comparison, name = request.path_params["comparison"], request.path_params["file"]
    content = downloads.content(open_workspace(), checked_id(comparison), name)
    disposition = {"Content-Disposition": f'attachment; filename="{comparison}-{name}"'}
    return Response(content, media_type=downloads.FILES[name][0], headers=_SAFE | _FRESH | disposition)


class Gate:
    """Only this site's own pages get through, and errors leave as one sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if refusal := _refusal(request):
            await _sentence(refusal, 403)(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except EngineError as error:
            await _sentence(str(error), 400 if request.method == "PUT" else 404)(scope, receive, send)


def _refusal(request: Request) -> str:
    host = request.headers.get("host", "")
    allowed = {name.lower() for name in st.get_option("server.allowedHosts") or ["*"]}
    if not allowed & {"*", _host_name(host)}:
        return "This host name is not in server.allowedHosts of .streamlit/config.toml."
    origin = request.headers.get("origin")
    if (origin is not None and urlsplit(origin).netloc != host) or request.headers.get(
        "sec-fetch-site"
    ) == "cross-site":
        return "Another site may not use these addresses."
    return ""


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _image(request: Request) -> tuple[Dataset, Image]:
    dataset = open_dataset(open_workspace(), checked_id(request.path_params["dataset"]))
    index = request.path_params["index"]
    if not 0 <= index < len(dataset.images):
        raise DatasetError(f"The dataset {dataset.id} has no image {index}.")
    return dataset, dataset.images[index]


def _predictions_folder(request: Request) -> Path:
    run, predictions = request.path_params["run"], request.path_params["predictions"]
    return open_workspace().run(run) / "predictions" / checked_id(predictions)


def _file(path: Path, media_type: str, caching: dict[str, str], *, download: str | None = None) -> Response:
    if not path.is_file():
        raise EngineError("This file is not there (any more). Reload the page.")
    return FileResponse(path, media_type=media_type, headers=_SAFE | caching, filename=download)


def _sentence(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status, headers=_SAFE | _FRESH)


def _route(path: str, endpoint: Callable[[Request], object], method: str = "GET") -> Route:
    return Route(f"{base_path()}{path}", endpoint, methods=[method], middleware=[Middleware(Gate)])


ROUTES = [
    _route("/api/uploads/{upload}", receive_upload, "PUT"),
    _route("/api/thumbnails/{dataset}/{index:int}", thumbnail),
    _route("/api/images/{dataset}/{index:int}", image),
    _route("/api/predictions/{run}/{predictions}/result.csv", prediction_result),
    _route("/api/predictions/{run}/{predictions}/{row:int}", prediction_thumbnail),
    _route("/api/explanations/{run}/{name}/{picture}.png", explanation),
    _route("/api/runs/{run}/{file}", run_file),
    _route("/api/comparisons/{comparison}/{file}", comparison_file),
]
