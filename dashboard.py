"""The dashboard: `streamlit run dashboard.py`. Says what the app is made of and what lives as long as the server. No
state here."""

import asyncio
import atexit
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st

from engine.data import uploads
from engine.data.dataset import list_datasets
from engine.models.catalog import load_catalog
from engine.store.job_store import JobStore
from engine.work import worker
from engine.workspace import Workspace, open_workspace
from pages.endpoints import ROUTES


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Start the workers and what they should prepare; stop them with the server."""
    _warm_up()
    workspace = open_workspace()
    _prepare(workspace)
    workers = worker.start(workspace)
    try:
        yield
    finally:
        await asyncio.to_thread(workers.stop)


def _warm_up() -> None:
    """Import what every page needs, then take it out of the collector's sight: pages redraw each second while training
    runs."""
    for name in ("pandas", "plotly.graph_objects"):
        import_module(name)
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)


def _prepare(workspace: Workspace) -> None:
    """Ask for the sample dataset and the list of backbones where they are missing; both are made in the background."""
    uploads.sweep(workspace)
    jobs = JobStore(workspace)
    waiting = {job.kind for job in jobs.list() if job.status in ("queued", "running")}
    wanted = {"sample": not list_datasets(workspace), "catalog": load_catalog(workspace) is None}
    for kind, missing in wanted.items():
        if missing and kind not in waiting:
            jobs.submit(kind, {})


app = st.App("pages/router.py", routes=ROUTES, lifespan=lifespan)
