"""Resources: the workspace and the stores, opened once per process and shared by every page and tab.

Not here: any state of a person's session; that lives in widgets and in the address bar.
"""

import os

import streamlit as st

from engine.comparisons.comparison_store import ComparisonStore
from engine.store.job_store import JobStore
from engine.store.run_store import RunStore
from engine.workspace import Workspace, open_workspace


def workspace() -> Workspace:
    return _workspace(os.environ.get("THAW_WORKSPACE", ""))


def run_store() -> RunStore:
    return _run_store(str(workspace().root))


def comparison_store() -> ComparisonStore:
    return _comparison_store(str(workspace().root))


def job_store() -> JobStore:
    return _job_store(str(workspace().root))


# The root is an argument, so that two workspaces in one process (tests) never share a store.
@st.cache_resource(show_spinner=False)
def _workspace(root: str) -> Workspace:
    return open_workspace(root or None)


@st.cache_resource(show_spinner=False)
def _run_store(root: str) -> RunStore:
    return RunStore(open_workspace(root))


@st.cache_resource(show_spinner=False)
def _comparison_store(root: str) -> ComparisonStore:
    return ComparisonStore(open_workspace(root))


@st.cache_resource(show_spinner=False)
def _job_store(root: str) -> JobStore:
    return JobStore(open_workspace(root))
