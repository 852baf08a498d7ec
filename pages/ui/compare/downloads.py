"""Downloads: the files of a comparison: what each holds, the links, and what a route answers with.

Not here: making their content (engine.comparisons.tables, report).
"""

import streamlit as st

from engine.comparisons import tables
from engine.comparisons.command_lines import command_lines
from engine.comparisons.comparison_store import ComparisonStore
from engine.errors import RunError
from engine.workspace import Workspace
from pages.ui import addresses
from pages.ui.compare.evidence import Evidence, evidence_of, waits
from pages.ui.widgets.download_link import download

FILES = {
    "report.html": ("text/html; charset=utf-8", "the verdict, tables and figures in one file that needs no network"),
    "comparison.csv": ("text/csv; charset=utf-8", "one row a run, for a spreadsheet"),
    "result.csv": ("text/csv; charset=utf-8", "one row an image, with what each strategy says of it"),
}
"""Name in the address -> (type, what it holds)."""


def download_links(evidence: Evidence) -> None:
    """The three links, and the command that does it again."""
    with st.grid(min_column_width=230):
        for name, (_, contents) in FILES.items():
            with st.container(gap="xsmall"):
                if name == "result.csv" and not evidence.arms:
                    st.caption(f"{name}: {waits(evidence, 'a run has finished')}")
                    continue
                link = addresses.comparison_file(evidence.comparison.id, name)
                download(f"Download {name}", link, key=f"take_{name}")
                st.caption(f"{name}: {contents}.")
    with st.expander("The same again on the command line", icon=":material/terminal:"):
        for line in command_lines(evidence.comparison):
            st.code(line, language="bash", wrap_lines=True)


def content(workspace: Workspace, comparison_id: str, name: str) -> bytes:
    """The file of that name, made now; RunError when there is no such comparison or file."""
    if name not in FILES:
        raise RunError(f"A comparison has no file of that name to download. There are {', '.join(FILES)}.")
    store = ComparisonStore(workspace)
    comparison, runs = store.get(comparison_id), store.runs_of(comparison_id)
    if name == "comparison.csv":
        return tables.comparison_csv(workspace, comparison, runs)
    if name == "result.csv":
        return tables.result_csv(workspace, comparison, runs)
    from pages.ui.compare.report import report  # here, or the server would wait for plotly before its first page

    return report(workspace, evidence_of(workspace, comparison, runs)).encode("utf-8", "replace")
