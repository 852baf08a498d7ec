"""Router: the frame around every page; title, navigation and the device that trains. Decoration only: each page also
runs alone."""

import streamlit as st

from pages.ui import status
from pages.ui.resources import run_store

# Before st.navigation: afterwards the page icon would be fetched from a foreign host.
st.set_page_config(page_title="Thaw", page_icon="🧊", layout="wide")


def to_the_first_page() -> None:
    """The first page has the bare address; whoever types /dataset means it too."""
    st.switch_page("dataset.py", query_params=st.query_params.to_dict())


page = st.navigation(
    [
        # A default page has no path of its own; the name only leaves "dataset" to the hidden page below.
        st.Page("dataset.py", title="Dataset", icon=":material/photo_library:", url_path="start", default=True),
        st.Page("configure.py", title="Configure", icon=":material/tune:"),
        st.Page("monitor.py", title="Monitor", icon=":material/monitoring:"),
        st.Page("compare.py", title="Compare", icon=":material/balance:"),
        st.Page("predictions.py", title="Predictions", icon=":material/grid_view:"),
        st.Page(to_the_first_page, title="Dataset", url_path="dataset", visibility="hidden"),
    ],
    position="top",
)
st.html(
    "<style>.stMainBlockContainer { padding-top: 4.5rem }</style>"
)  # otherwise an eighth of the first screen stays empty
status.device_line(run_store().devices())
page.run()
